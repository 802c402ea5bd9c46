package import CofferCore
import CofferVaultKit
import Synchronization

/// Reads files on threads of their own: a file system that hangs holds up neither a
/// reactor nor Swift's pool, and nobody who waits for another file.
///
/// Whoever asks for a file that is being read waits for that reading.
package final class FileReader: Sendable {
    private typealias Outcome = Result<Secret?, Failure>

    /// How long anybody waits for one file.
    package static let patience = Duration.seconds(5)
    /// Files that are being read at once; those that hang count for as long as they do.
    static let maximumReadings = 64

    private struct State {
        /// By path.
        var readings: [String: [Int: CheckedContinuation<Outcome, Never>]] = [:]
        var lastTicket = 0
    }

    private let state = Mutex(State())
    private let clock: any Clock
    private let load: @Sendable (String) throws(Failure) -> Secret?

    /// - Parameter load: reads a whole file, however long that takes; nil if it is not there.
    package init(clock: any Clock, load: @escaping @Sendable (String) throws(Failure) -> Secret?) {
        self.clock = clock
        self.load = load
    }

    /// A whole file; nil if it is not there.
    ///
    /// - Throws: what `load` throws; UNAVAILABLE when the file system does not answer
    ///   within 5 s or by the deadline; CANCELLED.
    package func read(_ path: String, deadline: BootInstant) async throws(Failure) -> Secret? {
        let now = clock.boot
        let end = min(deadline, now + Self.patience)
        guard now < end else { throw .fileHangs(path) }
        let ticket = state.withLock { state in
            state.lastTicket += 1
            return state.lastTicket
        }
        let timer = Task {
            try? await Task.sleep(nanoseconds: end.nanoseconds - now.nanoseconds)
            if !Task.isCancelled { leave(path, ticket, .fileHangs(path)) }
        }
        defer { timer.cancel() }
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { join(path, ticket, until: end, $0) }
        } onCancel: {
            leave(path, ticket, .readingCancelled(path))
        }
        return try outcome.get()
    }

    private func join(
        _ path: String, _ ticket: Int, until end: BootInstant, _ continuation: CheckedContinuation<Outcome, Never>
    ) {
        enum Step { case wait, start, refuse }
        let step = state.withLock { state -> Step in
            let isRead = state.readings[path] != nil
            guard isRead || state.readings.count < Self.maximumReadings else { return .refuse }
            state.readings[path, default: [:]][ticket] = continuation
            return isRead ? .wait : .start
        }
        switch step {
        case .wait: break
        case .refuse: return continuation.resume(returning: .failure(.fileHangs(path)))
        case .start:
            do throws(StartupError) {
                try DaemonThread.start("coffer-file") { self.finish(path, self.outcome(of: path)) }
            } catch {
                finish(path, .failure(.fileUnreadable(path, error.message)))
            }
        }
        // Over before it was noted, or meanwhile.
        if clock.boot >= end { leave(path, ticket, .fileHangs(path)) }
        if Task.isCancelled { leave(path, ticket, .readingCancelled(path)) }
    }

    private func outcome(of path: String) -> Outcome {
        do throws(Failure) {
            return .success(try load(path))
        } catch {
            return .failure(error)
        }
    }

    private func finish(_ path: String, _ outcome: Outcome) {
        let waiters = state.withLock { $0.readings.removeValue(forKey: path) ?? [:] }
        for waiter in waiters.values { waiter.resume(returning: outcome) }
    }

    private func leave(_ path: String, _ ticket: Int, _ failure: Failure) {
        let waiter = state.withLock { $0.readings[path]?.removeValue(forKey: ticket) }
        waiter?.resume(returning: .failure(failure))
    }
}

extension Failure {
    /// A file system does not answer.
    static func fileHangs(_ path: String) -> Failure {
        Failure(
            .unavailable, .vaultUnreachable,
            "\(path) cannot be read: its file system did not answer in time; check the mount", retryable: true,
            isUnsent: true)
    }

    fileprivate static func readingCancelled(_ path: String) -> Failure {
        Failure(.cancelled, .cancelled, "the call was cancelled while \(path) was being read", isUnsent: true)
    }
}
