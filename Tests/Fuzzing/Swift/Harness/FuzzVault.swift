import CofferCore
import CofferVault
import Synchronization

/// A vault in memory that fails when the script says so, and answers at once or
/// when it is told to.
final class FuzzVault: VaultAdapter {
    private struct State {
        var items: [[UInt8]: (userTag: [UInt8], item: VaultItem)] = [:]
        var random = SplitMix(seed: 0)
        var fails = false
        var holds = false
        var held: [CheckedContinuation<Void, Never>] = []
        var begun = 0
    }

    let name = "fuzz"
    let kind = "fuzz"
    let identity: [UInt8] = Array(repeating: 7, count: 16)
    let changes: VaultChanges? = nil
    let capabilities = VaultCapabilities(
        conditionalWrites: true, listing: true, maximumPayloadBytes: 1 << 20)
    private let state = Mutex(State())

    /// Forgets everything. No call may be under way.
    ///
    /// - Parameter holds: calls wait for `answer`.
    func reset(seed: UInt64, fails: Bool, holds: Bool) {
        state.withLock { $0 = State(random: SplitMix(seed: seed), fails: fails, holds: holds) }
    }

    /// Lets the calls go that wait, in an order that the seed decides.
    func answer() {
        let held = state.withLock { state in
            state.held.shuffle(using: &state.random)
            defer { state.held = [] }
            return state.held
        }
        for call in held { call.resume() }
    }

    /// Lets one call go: that which waits longest, or that which came last.
    func answerOne(oldest: Bool) {
        let call = state.withLock { state in
            state.held.isEmpty ? nil : state.held.remove(at: oldest ? 0 : state.held.count - 1)
        }
        call?.resume()
    }

    /// Calls that wait for `answer`.
    var heldCount: Int { state.withLock { $0.held.count } }
    /// Calls since `reset`.
    var begun: Int { state.withLock { $0.begun } }

    var isIdle: Bool { state.withLock { $0.held.isEmpty } }

    private static let failures: [Failure] = [
        .deadlineExceeded(vault: "fuzz"), .unreadable(vault: "fuzz"),
        Failure(.unavailable, .vaultUnreachable, "out of reach", vault: "fuzz", retryable: true),
        Failure(.permissionDenied, .vaultRefused, "refused", vault: "fuzz"),
        Failure(.resourceExhausted, .disk, "full", vault: "fuzz", retryAfterMilliseconds: 9),
    ]

    private func access<R: Sendable>(
        _ body: @Sendable (inout State) throws(Failure) -> R
    ) async throws(Failure) -> R {
        let holds = state.withLock { state in
            state.begun += 1
            return state.holds
        }
        if holds {
            await withCheckedContinuation { call in state.withLock { $0.held.append(call) } }
        }
        return try state.withLock { state throws(Failure) in
            if state.fails && state.random.oneIn(3) { throw state.random.pick(Self.failures) }
            return try body(&state)
        }
    }

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        try await access { state throws(Failure) in
            var item = state.items[key.tag]?.item
            // A vault may damage what it keeps.
            if state.fails && state.random.oneIn(4), var bytes = item?.payload.envelope, !bytes.isEmpty {
                bytes[state.random.below(bytes.count)] ^= 1
                item?.payload = .sealed(bytes)
            }
            return item
        }
    }

    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        try await access { state throws(Failure) in
            let old = state.items[key.tag]?.item
            switch condition {
            case .none: break
            case .ifAbsent: guard old == nil else { throw .alreadyExists }
            case .ifVersion(let version): guard old?.version == version else { throw .versionMismatch }
            }
            var item = item
            item.createdAt = old?.createdAt ?? item.updatedAt
            state.items[key.tag] = (key.userTag, item)
            return VaultReceipt(version: item.version, createdAt: item.createdAt)
        }
    }

    func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        try await access { state throws(Failure) in
            guard let old = state.items[key.tag]?.item else { return false }
            guard ifVersion == nil || old.version == ifVersion else { throw .versionMismatch }
            state.items[key.tag] = nil
            return true
        }
    }

    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        try await access { state throws(Failure) in
            let found = state.items
                .filter { tag, entry in
                    (user == nil || entry.userTag == user?.tag)
                        && (cursor ?? []).lexicographicallyPrecedes(tag)
                }
                .sorted { $0.key.lexicographicallyPrecedes($1.key) }
            let page = found.prefix(max(1, limit))
            return VaultPage(
                entries: page.map { VaultPage.Entry(name: .tag($0.key), item: $0.value.item) },
                next: page.count < found.count ? page.last?.key : nil)
        }
    }

    func check(deadline: BootInstant) async throws(Failure) { try await access { _ in } }

    func close() async {}
}
