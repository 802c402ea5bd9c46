package import CofferCore
package import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// A vault that forgets everything when the process ends. For development only.
package final class MemoryVault: VaultAdapter {
    private struct Place: Hashable, Comparable {
        let userTag: [UInt8]
        let tag: [UInt8]

        init(userTag: [UInt8], tag: [UInt8]) {
            self.userTag = userTag
            self.tag = tag
        }

        init(_ key: VaultKey) { self.init(userTag: key.userTag, tag: key.tag) }

        static func < (a: Self, b: Self) -> Bool {
            a.userTag == b.userTag
                ? a.tag.lexicographicallyPrecedes(b.tag)
                : a.userTag.lexicographicallyPrecedes(b.userTag)
        }
    }

    package let name: String
    package let kind = "memory"
    package let capabilities = VaultCapabilities(
        conditionalWrites: true, listing: true,
        maximumPayloadBytes: VaultCapabilities.localPayloadBytes)
    package let identity: [UInt8]
    package let changes: VaultChanges? = nil

    private let clock: any Clock
    /// nil once closed.
    private let items: Mutex<[Place: VaultItem]?> = Mutex([:])

    package init(name: String, clock: some Clock, random: some RandomSource) {
        self.name = name
        self.clock = clock
        identity = random.bytes(16)
    }

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        try access(deadline) { items in live(items[Place(key)]) }
    }

    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        _ = try envelope(of: item)
        return try access(deadline) { items throws(Failure) in
            let old = live(items[Place(key)])
            try condition.check(old)
            var item = item
            item.createdAt = old?.createdAt ?? item.updatedAt
            items[Place(key)] = item
            return VaultReceipt(version: item.version, createdAt: item.createdAt)
        }
    }

    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        try access(deadline) { items throws(Failure) in
            guard let old = live(items[Place(key)]) else { return false }
            guard ifVersion.map(old.version.hasSameBytes) ?? true else { throw .versionMismatch }
            items[Place(key)] = nil
            return true
        }
    }

    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        let cursor = try ListCursor(userTag: user?.tag, after: cursor)
        let start = Place(userTag: cursor.userTag, tag: cursor.tag)
        let found = try access(deadline) { items in
            items
                .filter { place, item in
                    start < place && live(item) != nil && (user == nil || place.userTag == user?.tag)
                }
                .sorted { $0.key < $1.key }
        }
        let page = found.prefix(max(1, limit))
        let last = page.last.map { $0.key.userTag + $0.key.tag }
        return VaultPage(
            entries: page.map { VaultPage.Entry(name: .tag($0.key.tag), item: $0.value) },
            next: page.count < found.count ? last : nil)
    }

    package func check(deadline: BootInstant) async throws(Failure) {
        try access(deadline) { _ in }
    }

    package func close() async { items.withLock { $0 = nil } }

    private func live(_ item: VaultItem?) -> VaultItem? {
        item.flatMap { $0.isLive(at: clock.wall) ? $0 : nil }
    }

    private func access<R: Sendable>(
        _ deadline: BootInstant, _ body: (inout [Place: VaultItem]) throws(Failure) -> R
    ) throws(Failure) -> R {
        guard clock.boot < deadline else { throw .notBegun(vault: name) }
        return try items.withLock { items throws(Failure) in
            guard items != nil else { throw .closed(vault: name) }
            return try body(&items!)
        }
    }
}
