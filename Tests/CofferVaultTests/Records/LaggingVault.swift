import CofferCore
import CofferVault
import Synchronization

/// A vault whose reads show what it held some time ago, as an eventually consistent service does.
final class LaggingVault: VaultAdapter {
    let name = "lagging"
    let kind = "test"
    let identity = [UInt8](repeating: 7, count: 16)
    let changes: VaultChanges? = nil
    let capabilities: VaultCapabilities

    private struct State {
        /// Of each record all that it was, with when that began; nil = absent.
        var history: [RecordKey: [(since: BootInstant, item: VaultItem?)]] = [:]
        var lag = Duration.zero
        var reads = 0
        var writeFailure: Failure?
    }

    private let time: VirtualTime
    private let state = Mutex(State())

    init(_ time: VirtualTime, consistency: VaultCapabilities.Consistency = .lagging(for: .seconds(30))) {
        self.time = time
        capabilities = VaultCapabilities(
            conditionalWrites: false, listing: true, maximumPayloadBytes: 70_000, textPayloads: true,
            repeatableWrites: true, consistency: consistency)
    }

    /// How many records were asked for.
    var reads: Int { state.withLock { $0.reads } }
    func setLag(_ lag: Duration) { state.withLock { $0.lag = lag } }
    /// The next write or removal is done, and this is thrown all the same.
    func loseTheAnswer(_ failure: Failure) { state.withLock { $0.writeFailure = failure } }

    /// As another program does it.
    func put(_ item: VaultItem?, _ key: RecordKey) {
        let now = time.boot
        state.withLock { $0.history[key, default: []].append((now, item)) }
    }

    /// What is there in truth.
    subscript(key: RecordKey) -> VaultItem? { state.withLock { $0.history[key]?.last?.item } }

    private func seen(_ key: RecordKey) -> VaultItem? {
        let now = time.boot
        return state.withLock { state in
            state.reads += 1
            return state.history[key]?.last { $0.since + state.lag <= now }?.item
        }
    }

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? { seen(key.key) }

    func readMany(_ keys: [VaultKey], deadline: BootInstant) async -> [Result<VaultItem?, Failure>] {
        keys.map { .success(seen($0.key)) }
    }

    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        put(item, key.key)
        if let failure = state.withLock({ $0.writeFailure.take() }) { throw failure }
        return VaultReceipt(version: item.version, createdAt: item.createdAt)
    }

    func remove(_ key: VaultKey, ifVersion: String?, deadline: BootInstant) async throws(Failure) -> Bool {
        defer { put(nil, key.key) }
        if let failure = state.withLock({ $0.writeFailure.take() }) { throw failure }
        return seen(key.key) != nil
    }

    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        let keys = state.withLock { Array($0.history.keys) }
        return VaultPage(
            entries: keys.compactMap { key in seen(key).map { VaultPage.Entry(name: .key(key), item: $0) } }, next: nil)
    }

    func check(deadline: BootInstant) async throws(Failure) {}
    func close() async {}
}

/// Sleeps by moving the clock: for one task at a time.
struct SkippingSleeper: Sleeper {
    let time: VirtualTime

    func sleep(until instant: BootInstant) async throws {
        let now = time.boot
        if now < instant { time.advance(.nanoseconds(Int64(instant.nanoseconds - now.nanoseconds))) }
    }
}
