import CofferCore
import CofferVault
import Synchronization

/// Does what a test tells it to: fails as scripted, or holds calls back until
/// it is told to let them go.
final class ScriptedVault: VaultAdapter {
    struct Call: Equatable {
        let what: String
        let deadline: BootInstant
        var keys = 1
    }

    private struct State {
        var script: [Failure?] = []
        var calls: [Call] = []
        var isHolding = false
        var held: [CheckedContinuation<Void, Never>] = []
        var many: [[Failure?]] = []
    }

    let name = "scripted"
    let kind = "test"
    let capabilities: VaultCapabilities
    let identity = [UInt8](repeating: 7, count: 16)
    let changes: VaultChanges?
    private let state = Mutex(State())

    init(repeatableWrites: Bool = false, changes: VaultChanges? = nil, _ limit: (inout VaultCapabilities) -> Void = { _ in }) {
        var capabilities = VaultCapabilities(
            conditionalWrites: true, listing: true, maximumPayloadBytes: 1_000, repeatableWrites: repeatableWrites)
        limit(&capabilities)
        self.capabilities = capabilities
        self.changes = changes
    }

    var calls: [Call] { state.withLock { $0.calls } }
    var heldCount: Int { state.withLock { $0.held.count } }

    /// How the next calls end; nil = well. Those after them end well.
    func script(_ endings: [Failure?]) { state.withLock { $0.script = endings } }
    /// The same for the keys of the next calls of `readMany`.
    func scriptMany(_ endings: [[Failure?]]) { state.withLock { $0.many = endings } }

    func hold() { state.withLock { $0.isHolding = true } }

    func letGo(_ count: Int = .max) {
        let released = state.withLock { state in
            if count == .max { state.isHolding = false }
            let released = Array(state.held.prefix(count))
            state.held.removeFirst(released.count)
            return released
        }
        for continuation in released { continuation.resume() }
    }

    private func call(_ what: String, _ deadline: BootInstant) async throws(Failure) {
        let failure = state.withLock { state -> Failure? in
            state.calls.append(Call(what: what, deadline: deadline))
            return state.script.isEmpty ? nil : state.script.removeFirst()
        }
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.isHolding { state.held.append(continuation) }
                return !state.isHolding
            }
            if isFree { continuation.resume() }
        }
        if let failure { throw failure }
    }

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        try await call("read", deadline)
        return nil
    }

    func readMany(_ keys: [VaultKey], deadline: BootInstant) async -> [Result<VaultItem?, Failure>] {
        let endings = state.withLock { state in
            state.calls.append(Call(what: "readMany", deadline: deadline, keys: keys.count))
            return state.many.isEmpty ? [Failure?](repeating: nil, count: keys.count) : state.many.removeFirst()
        }
        return endings.map { $0.map { .failure($0) } ?? .success(nil) }
    }

    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        try await call("write", deadline)
        return VaultReceipt(version: item.version, createdAt: 1)
    }

    func remove(_ key: VaultKey, ifVersion: String?, deadline: BootInstant) async throws(Failure) -> Bool {
        try await call("remove", deadline)
        return true
    }

    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        try await call("list", deadline)
        return VaultPage(entries: [], next: nil)
    }

    func check(deadline: BootInstant) async throws(Failure) { try await call("check", deadline) }
    func close() async { state.withLock { $0.calls.append(Call(what: "close", deadline: .at(0))) } }
}
