import CofferCore
import CofferEmbedded
import CofferVaultConformance
import Foundation
import Testing

/// A damaged file never crashes the daemon and is never passed over: either the
/// vault opens and works, or it says DATA_LOSS, or what else is wrong.
@Suite(.timeLimit(.minutes(2))) struct EmbeddedDamageTests {
    private static let pageBytes = 1024

    /// A database of some two hundred pages, closed.
    private static func make() async throws -> (Scratch, [UInt8]) {
        let scratch = Scratch()
        let vault = try scratch.open()
        for number in 0..<150 { try await vault.put("record-\(number)", String(repeating: "x", count: 800)) }
        await vault.close()
        return (scratch, [UInt8](try Data(contentsOf: URL(fileURLWithPath: scratch.path))))
    }

    /// Opens what is there, and reads everything if it opens.
    private func examine(_ scratch: Scratch, _ what: String) async throws -> StatusCode {
        let vault: EmbeddedVault
        do {
            vault = try scratch.open()
        } catch {
            #expect([.dataLoss, .failedPrecondition, .unavailable].contains(error.code), "\(what): \(error)")
            return error.code
        }
        var code = StatusCode.ok
        for number in 0..<150 {
            let failed = await failure { () async throws(Failure) in try await vault.get("record-\(number)") }
            if let failed {
                #expect(failed.code == .dataLoss, "\(what): \(failed)")
                code = failed.code
            }
        }
        await vault.close()
        return code
    }

    @Test func aZeroedPageIsFound() async throws {
        let (scratch, whole) = try await Self.make()
        for page in 0..<whole.count / Self.pageBytes {
            try Data(whole).write(to: URL(fileURLWithPath: scratch.path))
            try scratch.patch(at: UInt64(page * Self.pageBytes), [UInt8](repeating: 0, count: Self.pageBytes))
            let code = try await examine(scratch, "page \(page) zeroed")
            // Page 1 holds the header: without it this is no database of ours.
            #expect(page == 0 ? code != .ok : code == .dataLoss, "page \(page) zeroed: \(code.name)")
        }
    }

    @Test func aShortFileIsFound() async throws {
        let (scratch, whole) = try await Self.make()
        for size in [1, 15, 16, 99, 100, 1023, 1024, 2048, whole.count / 2, whole.count - 1024] {
            try Data(whole.prefix(size)).write(to: URL(fileURLWithPath: scratch.path))
            let code = try await examine(scratch, "cut to \(size)")
            #expect(code != .ok, "cut to \(size) of \(whole.count) bytes")
        }
    }

    /// A format that no SQLite knows, in the header's byte 47: SQLite calls it a mistake in the statement.
    @Test(arguments: [5, 0x80, 0xFF] as [UInt8])
    func anUnknownFormatIsDamage(format: UInt8) async throws {
        let (scratch, whole) = try await Self.make()
        var bytes = whole
        bytes[47] = format
        try Data(bytes).write(to: URL(fileURLWithPath: scratch.path))
        #expect(try await examine(scratch, "format \(format)") == .dataLoss)
    }

    /// Bits inside payloads are the envelope's to notice; everything else must
    /// fail or be harmless, and nothing may crash.
    @Test func flippedBitsNeverCrash() async throws {
        let (scratch, whole) = try await Self.make()
        var random = SystemRandomNumberGenerator()
        for round in 0..<60 {
            var bytes = whole
            // Every third round aims at the header and the root pages.
            let range = round % 3 == 0 ? 0..<4 * Self.pageBytes : 0..<whole.count
            let places = (0..<8).map { _ in Int.random(in: range, using: &random) }
            for place in places { bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random) }
            try Data(bytes).write(to: URL(fileURLWithPath: scratch.path))
            _ = try await examine(scratch, "bits flipped in bytes \(places)")
        }
    }

    /// Damage that happens while the vault is open: told as DATA_LOSS, and writes stop.
    @Test func damageAtRunTimeStopsWrites() async throws {
        let (scratch, whole) = try await Self.make()
        let vault = try scratch.open()
        for page in 2..<whole.count / Self.pageBytes {
            try scratch.patch(at: UInt64(page * Self.pageBytes), [UInt8](repeating: 0xee, count: Self.pageBytes))
        }
        var codes: Set<StatusCode> = []
        for number in 0..<150 {
            let failed = await failure { () async throws(Failure) in try await vault.get("record-\(number)") }
            if let failed { codes.insert(failed.code) }
        }
        #expect(codes == [.dataLoss])
        let failed = await failure { () async throws(Failure) in try await vault.put("new", "value") }
        #expect(failed?.code == .dataLoss)
        let checked = await failure { () async throws(Failure) in
            try await vault.check(deadline: SystemClock().boot + .seconds(5))
        }
        #expect(checked?.code == .dataLoss)
        await vault.close()
    }
}
