import CofferCore
import CofferVault
import CofferVaultKit
import Dispatch
import Foundation

/// Vaults of type `folder`: each record a file in a folder. The worked example of "Adding a vault".
struct FolderDriver: VaultDriver {
    let type = "folder"
    let title = "folder of files"
    let isLocal = true

    static let path = VaultSetting<String>(
        "path", .absoluteFile, .value(""), variables: ["FOLDER_PATH"], unset: "required",
        summary: "The folder with the records", risk: "Whoever can write to it can delete records")
    let settings = CommonSettings.all + [path.erased]

    let advice = VaultAdvice(
        unreachable: "Mount the folder.", login: "Check path.", setUp: "Make the folder that path names.",
        permission: "Check the mode of the folder.", broken: "Check the disk of the folder.")

    func mistakes(in vault: VaultConfiguration) -> [SettingMistake] {
        vault[Self.path].isEmpty ? [SettingMistake("", "path is missing; expected the path of a folder")] : []
    }

    func location(of vault: VaultConfiguration, dataFolder: String) -> String { vault[Self.path] }

    func open(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) -> any VaultAdapter {
        FolderVault(name: vault.name, folder: vault[Self.path], clock: context.clock)
    }
}

/// Its files hold a line with version and times, and then the payload. All work is done on a queue
/// of its own: it would block a reactor.
final class FolderVault: VaultAdapter {
    let name: String
    let kind = "folder"
    let capabilities = VaultCapabilities(conditionalWrites: true, listing: true, maximumPayloadBytes: 2 << 20)
    let identity = Array("a folder of files".utf8.prefix(16))
    var changes: VaultChanges? { watch.feed }

    private let folder: URL
    private let clock: any Clock
    private let queue = DispatchQueue(label: "folder")
    private let watch: FolderWatch
    /// Only on the queue.
    nonisolated(unsafe) private var isClosed = false

    init(name: String, folder: String, clock: any Clock) {
        self.name = name
        self.folder = URL(filePath: folder)
        self.clock = clock
        watch = FolderWatch(self.folder, on: queue)
    }

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        try await onQueue(deadline) { () throws(Failure) in self.live(self.file(key)) }
    }

    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        let payload = try envelope(of: item)
        return try await onQueue(deadline) { () throws(Failure) in
            let old = self.live(self.file(key))
            try condition.check(old)
            let created = old?.createdAt ?? item.updatedAt
            let line = "\(item.version) \(created) \(item.updatedAt) \(item.expiresAt)\n"
            do {
                try (Data(line.utf8) + payload).write(to: self.file(key), options: .atomic)
            } catch {
                throw Failure(.unavailable, .vaultUnreachable, "cannot write a file", vault: self.name, retryable: true)
            }
            return VaultReceipt(version: item.version, createdAt: created)
        }
    }

    func remove(_ key: VaultKey, ifVersion: String?, deadline: BootInstant) async throws(Failure) -> Bool {
        try await onQueue(deadline) { () throws(Failure) in
            guard let old = self.live(self.file(key)) else { return false }
            guard ifVersion.map({ $0 == old.version }) ?? true else { throw .versionMismatch }
            return (try? FileManager.default.removeItem(at: self.file(key))) != nil
        }
    }

    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        let after = try ListCursor(userTag: user?.tag, after: cursor)
        return try await onQueue(deadline) { () throws(Failure) in
            let start = cursor == nil ? "" : Hex.text(after.userTag + after.tag)
            let files = (try? FileManager.default.contentsOfDirectory(at: self.folder, includingPropertiesForKeys: nil)) ?? []
            let found = files.map(\.lastPathComponent).sorted().compactMap { name -> (bytes: [UInt8], item: VaultItem)? in
                guard name > start, name.hasPrefix(Hex.text(user?.tag ?? [])) else { return nil }
                return self.live(self.folder.appending(path: name)).map { (Hex.bytes(name.utf8) ?? [], $0) }
            }
            let page = found.prefix(limit)
            return VaultPage(
                entries: page.map { .init(name: .tag(Array($0.bytes.suffix(ListCursor.tagBytes))), item: $0.item) },
                next: page.count < found.count ? page.last?.bytes : nil)
        }
    }

    func check(deadline: BootInstant) async throws(Failure) {
        try await onQueue(deadline) { () throws(Failure) in
            guard (try? self.folder.checkResourceIsReachable()) != true else { return }
            throw Failure(.failedPrecondition, .vaultRefused, "the folder does not exist", vault: self.name)
        }
    }

    func close() async {
        watch.close()
        await withCheckedContinuation { closed in queue.async { self.isClosed = true; closed.resume() } }
    }

    private func file(_ key: VaultKey) -> URL {
        let name = Hex.text(key.userTag + key.tag)
        watch.note(key.key, as: name)
        return folder.appending(path: name)
    }

    private func live(_ file: URL) -> VaultItem? {
        guard let content = try? Data(contentsOf: file), let end = content.firstIndex(of: 10) else { return nil }
        let words = String(decoding: content[..<end], as: UTF8.self).split(separator: " ")
        let times = words.dropFirst().compactMap { WallMilliseconds($0) }
        guard times.count == 3 else { return nil }
        let item = VaultItem(
            payload: .sealed(Array(content[(end + 1)...])), version: String(words[0]), createdAt: times[0],
            updatedAt: times[1], expiresAt: times[2])
        return item.isLive(at: clock.wall) ? item : nil
    }

    private func onQueue<R: Sendable>(
        _ deadline: BootInstant, _ work: @escaping @Sendable () throws(Failure) -> R
    ) async throws(Failure) -> R {
        let outcome: Result<R, Failure> = await withCheckedContinuation { continuation in
            queue.async {
                guard self.clock.boot < deadline else { return continuation.resume(returning: .failure(.notBegun(vault: self.name))) }
                guard !self.isClosed else { return continuation.resume(returning: .failure(.closed(vault: self.name))) }
                continuation.resume(returning: Result { () throws(Failure) in try work() })
            }
        }
        return try outcome.get()
    }
}
