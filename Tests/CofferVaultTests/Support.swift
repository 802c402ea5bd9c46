import CofferCore
import CofferCrypto
import CofferMemory
import CofferVault
import Foundation
import Synchronization

extension Secret {
    convenience init(_ text: String) {
        let bytes = Array(text.utf8)
        self.init(count: bytes.count) { $0.copyBytes(from: bytes) }
    }

    /// Tests only: the text of a secret that is none.
    var text: String { withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}

extension KeyRing {
    /// A new ring each time.
    static func forTests() throws -> KeyRing {
        let root = RootKey.key(
            SecretWriter.build(count: 32) { writer in for byte in UInt8(1)...32 { writer.append(byte) } })
        return try KeyRingFile.derive(path: "/keyring", root: root, now: 1).ring
    }
}

/// Keeps items of any format under their names, and lists them by name.
final class OpenVault: VaultAdapter {
    let name: String
    let kind = "open"
    let capabilities: VaultCapabilities
    let identity = [UInt8](repeating: 9, count: 16)
    let changes: VaultChanges? = nil
    private let state = Mutex<(items: [(key: RecordKey, item: VaultItem)], reads: [Int])>(([], []))

    /// Milliseconds that its clock is ahead of ours; nil = it takes our times.
    private let lag: UInt64?

    init(name: String = "open", textPayloads: Bool = true, nativeExpiry: Bool = false, lag: UInt64? = nil) {
        self.name = name
        self.lag = lag
        capabilities = VaultCapabilities(
            conditionalWrites: true, listing: true, maximumPayloadBytes: 4_096, textPayloads: textPayloads,
            nativeExpiry: nativeExpiry)
    }

    /// How many keys each call of `readMany` was asked for.
    var reads: [Int] { state.withLock { $0.reads } }

    subscript(key: RecordKey) -> VaultItem? {
        get { state.withLock { $0.items.first { $0.key == key }?.item } }
        set {
            state.withLock { state in
                state.items.removeAll { $0.key == key }
                if let newValue { state.items.append((key, newValue)) }
            }
        }
    }

    /// Puts what another program has written there.
    func put(_ text: String, _ key: RecordKey, expiresAt: WallMilliseconds = 0) {
        self[key] = VaultItem(
            payload: .text(Secret(text)), version: "v7", createdAt: 100, updatedAt: 200, expiresAt: expiresAt)
    }

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? { self[key.key] }

    func readMany(_ keys: [VaultKey], deadline: BootInstant) async -> [Result<VaultItem?, Failure>] {
        state.withLock { $0.reads.append(keys.count) }
        return keys.map { .success(self[$0.key]) }
    }

    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        var item = item
        item.updatedAt += lag ?? 0
        self[key.key] = item
        return VaultReceipt(
            version: item.version, createdAt: item.createdAt, updatedAt: lag == nil ? nil : item.updatedAt)
    }

    func remove(_ key: VaultKey, ifVersion: String?, deadline: BootInstant) async throws(Failure) -> Bool {
        defer { self[key.key] = nil }
        return self[key.key] != nil
    }

    /// The cursor is how many came before, in one byte.
    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        let start = Int(cursor?.first ?? 0)
        let all = state.withLock { $0.items.filter { user == nil || $0.key.user == user?.id } }
        let page = all.dropFirst(start).prefix(limit)
        return VaultPage(
            entries: page.map { VaultPage.Entry(name: .key($0.key), item: $0.item) },
            next: start + page.count < all.count ? [UInt8(start + page.count)] : nil)
    }

    func check(deadline: BootInstant) async throws(Failure) {}
    func close() async { self.state.withLock { $0.items = [] } }
}
