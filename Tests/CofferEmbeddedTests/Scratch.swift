import CofferCore
import CofferEmbedded
import CofferVault
import CofferVaultConformance
import Foundation
import Glibc
import Testing

/// A folder for one test, gone with it.
final class Scratch: Sendable {
    let folder: String
    var path: String { "\(folder)/vault.db" }

    init() {
        folder = FileManager.default.temporaryDirectory.path + "/coffer-\(UUID().uuidString)"
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    func makeFolder(mode: Int = 0o700) throws {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: mode])
    }

    func open(
        clock: some Clock = SystemClock(), options: EmbeddedOptions = EmbeddedOptions()
    ) throws(Failure) -> EmbeddedVault {
        try EmbeddedVault.open(
            path: path, name: "test", clock: clock, random: SystemRandom(), options: options,
            keyCheck: { existing, _ throws(Failure) in existing ?? [7] })
    }

    /// The size of the database's pages, as its header says it (SQLite's file format, section 1.3.2).
    var pageBytes: Int {
        get throws {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            let header = try file.read(upToCount: 18) ?? Data()
            return header.suffix(2).reduce(0) { $0 << 8 | Int($1) }
        }
    }

    /// Rebuilds the closed database with pages of another size, by Python: our own
    /// connections have too low limits for it.
    func rebuild(pageBytes: Int) throws {
        let script = """
            import sqlite3, sys
            database = sqlite3.connect(sys.argv[1])
            for step in "journal_mode = DELETE", f"page_size = {sys.argv[2]}": database.execute("PRAGMA " + step)
            database.execute("VACUUM")
            """
        let process = try Process.run(
            URL(fileURLWithPath: "/usr/bin/env"), arguments: ["python3", "-c", script, path, "\(pageBytes)"])
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    /// Overwrites part of the database, as a failing disk or a tamperer would.
    func patch(at offset: UInt64, _ bytes: [UInt8]) throws {
        let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
        try file.seek(toOffset: offset)
        try file.write(contentsOf: Data(bytes))
        try file.close()
    }
}

/// Short forms for tests that need no more than a key and a value.
extension VaultAdapter {
    func put(_ name: String, _ value: String, seconds: Int = 30) async throws(Failure) {
        let now = SystemClock().wall
        let item = VaultItem(
            payload: .sealed(Array(value.utf8)), version: "v", createdAt: now, updatedAt: now, expiresAt: 0)
        let deadline = SystemClock().boot + .seconds(seconds)
        _ = try await write(try testKey(name), item, condition: .none, deadline: deadline)
    }

    func get(_ name: String) async throws(Failure) -> String? {
        let found = try await read(try testKey(name), deadline: SystemClock().boot + .seconds(30))
        return found.map { String(decoding: $0.payload.envelope ?? [], as: UTF8.self) }
    }
}

func testKey(_ name: String) throws(Failure) -> VaultKey {
    let bytes = Array(name.utf8)
    let tag = bytes + [UInt8](repeating: 0, count: max(0, 32 - bytes.count))
    return VaultKey(
        key: try RecordKey(user: "user", connection: name), tag: tag,
        userTag: [UInt8](repeating: 1, count: 32))
}
