internal import CofferCore
package import CofferVault
internal import Synchronization

/// What a vault says has changed, on its way to all who iterate over it. The adapter posts; nobody
/// makes it wait.
///
/// An iterator that is slow has its changes gathered: each record once, and more than
/// ``maximumWaiting`` of them as ``VaultChange/everything``.
package final class ChangeFeed: AsyncSequence, Sendable {
    package typealias Element = VaultChange
    package typealias Failure = Never

    /// Records that wait for one iterator: at 200 bytes each some 200 KiB.
    package static let maximumWaiting = 1_024

    private struct State {
        var readers: [UInt64: Reader] = [:]
        var lastNumber: UInt64 = 0
        var isClosed = false
    }

    private let state = Mutex(State())

    package init() {}

    package func post(_ change: VaultChange) {
        for reader in state.withLock({ Array($0.readers.values) }) { reader.post(change) }
    }

    /// Ends all iterators, once they have given what waits.
    package func close() {
        let readers = state.withLock { state in
            state.isClosed = true
            return Array(state.readers.values)
        }
        for reader in readers { reader.close() }
    }

    /// From now on the iterator gets all that is posted.
    package func makeAsyncIterator() -> Iterator {
        let reader = Reader()
        let (number, isClosed) = state.withLock { state in
            state.lastNumber += 1
            state.readers[state.lastNumber] = reader
            return (state.lastNumber, state.isClosed)
        }
        if isClosed { reader.close() }
        return Iterator(subscription: Subscription(feed: self, number: number, reader: reader))
    }

    /// Gives what is posted while it lives, to one task at a time.
    package struct Iterator: AsyncIteratorProtocol {
        fileprivate let subscription: Subscription

        /// - Returns: nil at the end, or if the task is cancelled.
        package mutating func next() async -> VaultChange? { await subscription.reader.next() }

        package mutating func next(isolation actor: isolated (any Actor)?) async -> VaultChange? {
            await subscription.reader.next()
        }
    }

    /// Lives as long as its iterator.
    fileprivate final class Subscription: Sendable {
        private let feed: ChangeFeed
        private let number: UInt64
        let reader: Reader

        init(feed: ChangeFeed, number: UInt64, reader: Reader) {
            self.feed = feed
            self.number = number
            self.reader = reader
        }

        deinit { _ = feed.state.withLock { $0.readers.removeValue(forKey: number) } }
    }
}

extension ChangeFeed {
    /// What waits for one iterator.
    fileprivate final class Reader: Sendable {
        private struct State: ~Copyable {
            /// What was before the first change is not known.
            var isEverything = true
            var records: [RecordKey] = []
            var known: Set<RecordKey> = []
            var isClosed = false
            var waiter: CheckedContinuation<VaultChange?, Never>?

            mutating func add(_ change: VaultChange) {
                // All waiting records are part of everything, and so are those that come before it is taken.
                guard case .record(let key) = change, records.count < ChangeFeed.maximumWaiting || known.contains(key) else {
                    isEverything = true
                    records = []
                    known = []
                    return
                }
                if !isEverything, known.insert(key).inserted { records.append(key) }
            }

            mutating func take() -> VaultChange? {
                if isEverything {
                    isEverything = false
                    return .everything
                }
                guard let key = records.first else { return nil }
                records.removeFirst()
                known.remove(key)
                return .record(key)
            }
        }

        private let state = Mutex(State())

        func post(_ change: VaultChange) {
            let (waiter, next) = state.withLock { state -> (CheckedContinuation<VaultChange?, Never>?, VaultChange?) in
                state.add(change)
                guard let waiter = state.waiter.take() else { return (nil, nil) }
                return (waiter, state.take())
            }
            waiter?.resume(returning: next)
        }

        func close() { end { $0.isClosed = true } }

        private func end(_ change: (inout State) -> Void) {
            let waiter = state.withLock { state in
                change(&state)
                return state.waiter.take()
            }
            waiter?.resume(returning: nil)
        }

        /// One task at a time.
        func next() async -> VaultChange? {
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let (isReady, change) = state.withLock { state -> (Bool, VaultChange?) in
                        // A handler that ran before this has found nobody waiting.
                        if Task.isCancelled { return (true, nil) }
                        if let change = state.take() { return (true, change) }
                        if state.isClosed { return (true, nil) }
                        state.waiter = continuation
                        return (false, nil)
                    }
                    if isReady { continuation.resume(returning: change) }
                }
            } onCancel: {
                end { _ in }
            }
        }
    }
}
