import CofferCore
import CofferVault
import Synchronization

/// A vault in memory that answers at once, and fails when the script says so.
final class FuzzVault: VaultAdapter {
    private struct State {
        var items: [[UInt8]: (userTag: [UInt8], item: VaultItem)] = [:]
        var random = SplitMix(seed: 0)
        var fails = false
    }

    let name = "fuzz"
    let kind = "fuzz"
    let identity: [UInt8] = Array(repeating: 7, count: 16)
    let capabilities = VaultCapabilities(
        conditionalWrites: true, listing: true, maximumPayloadBytes: 1 << 20)
    private let state = Mutex(State())

    /// Forgets everything.
    func reset(seed: UInt64, fails: Bool) {
        state.withLock { $0 = State(random: SplitMix(seed: seed), fails: fails) }
    }

    private static let failures: [Failure] = [
        .deadlineExceeded(vault: "fuzz"), .unreadable(vault: "fuzz"),
        Failure(.unavailable, .vaultUnreachable, "out of reach", vault: "fuzz", retryable: true),
        Failure(.permissionDenied, .vaultRefused, "refused", vault: "fuzz"),
        Failure(.resourceExhausted, .disk, "full", vault: "fuzz", retryAfterMilliseconds: 9),
    ]

    private func access<R: Sendable>(
        _ body: (inout State) throws(Failure) -> R
    ) throws(Failure) -> R {
        try state.withLock { state throws(Failure) in
            if state.fails && state.random.oneIn(3) { throw state.random.pick(Self.failures) }
            return try body(&state)
        }
    }

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        try access { state throws(Failure) in
            var item = state.items[key.tag]?.item
            // A vault may damage what it keeps.
            if state.fails && state.random.oneIn(4), let count = item?.payload.count, count > 0 {
                item?.payload[state.random.below(count)] ^= 1
            }
            return item
        }
    }

    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> WallMilliseconds {
        try access { state throws(Failure) in
            let old = state.items[key.tag]?.item
            switch condition {
            case .none: break
            case .ifAbsent: guard old == nil else { throw .alreadyExists }
            case .ifVersion(let version): guard old?.version == version else { throw .versionMismatch }
            }
            var item = item
            item.createdAt = old?.createdAt ?? item.updatedAt
            state.items[key.tag] = (key.userTag, item)
            return item.createdAt
        }
    }

    func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        try access { state throws(Failure) in
            guard let old = state.items[key.tag]?.item else { return false }
            guard ifVersion == nil || old.version == ifVersion else { throw .versionMismatch }
            state.items[key.tag] = nil
            return true
        }
    }

    func list(
        userTag: [UInt8]?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        try access { state throws(Failure) in
            let found = state.items
                .filter { tag, entry in
                    (userTag == nil || entry.userTag == userTag)
                        && (cursor ?? []).lexicographicallyPrecedes(tag)
                }
                .sorted { $0.key.lexicographicallyPrecedes($1.key) }
            let page = found.prefix(max(1, limit))
            return VaultPage(
                entries: page.map { VaultPage.Entry(tag: $0.key, item: $0.value.item) },
                next: page.count < found.count ? page.last?.key : nil)
        }
    }

    func check(deadline: BootInstant) async throws(Failure) { try access { _ in } }

    func close() async {}
}
