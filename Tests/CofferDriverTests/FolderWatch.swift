import CofferCore
import CofferVault
import CofferVaultKit
import Dispatch
import Foundation
import Synchronization

/// What others change in a folder: it is looked through fifty times a second.
final class FolderWatch: Sendable {
    let feed = ChangeFeed()
    private let folder: URL
    nonisolated(unsafe) private let timer: any DispatchSourceTimer
    /// The names of files tell no ids: these were asked for.
    private let keys = Mutex<[String: RecordKey]>([:])
    /// Of each file, what another write changes. Only on the queue.
    nonisolated(unsafe) private var last: [String: String] = [:]

    init(_ folder: URL, on queue: DispatchQueue) {
        self.folder = folder
        timer = DispatchSource.makeTimerSource(queue: queue)
        queue.sync { last = look() }
        timer.setEventHandler { [weak self] in self?.compare() }
        timer.schedule(deadline: .now(), repeating: .milliseconds(20))
        timer.activate()
    }

    deinit { timer.cancel() }

    func note(_ key: RecordKey, as file: String) { keys.withLock { $0[file] = key } }

    func close() {
        timer.cancel()
        feed.close()
    }

    private func compare() {
        let now = look()
        defer { last = now }
        for file in Set(now.keys).union(last.keys) where now[file] != last[file] {
            let key = keys.withLock { $0[file] }
            feed.post(key.map { .record($0) } ?? .everything)
        }
    }

    private func look() -> [String: String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.reduce(into: [:]) { seen, file in
            let attributes = try? FileManager.default.attributesOfItem(atPath: folder.appending(path: file).path)
            seen[file] = attributes.map { "\($0[.systemFileNumber] ?? "") \($0[.modificationDate] ?? "") \($0[.size] ?? "")" }
        }
    }
}
