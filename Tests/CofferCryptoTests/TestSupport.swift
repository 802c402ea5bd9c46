import CofferCore
import Foundation
import Glibc
import Testing

@testable import CofferCrypto

/// Gives the same bytes each time: those it was made with, over and over.
struct FixedRandom: RandomSource {
    let pattern: [UInt8]

    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { pattern[$0 % pattern.count] } }
}

/// A generator whose runs can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// SplitMix64 (Steele, Lea and Flood).
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
        return word ^ word >> 31
    }

    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

extension Secret {
    convenience init(_ bytes: [UInt8]) {
        let copy: Secret = bytes.withUnsafeBytes { Secret(copying: $0) }
        self.init(count: copy.count) { region in copy.withUnsafeBytes { region.copyMemory(from: $0) } }
    }

    convenience init(_ text: String) { self.init(Array(text.utf8)) }

    var array: [UInt8] { withUnsafeBytes { [UInt8]($0) } }
}

extension KeyRing {
    /// Terms 1 to `count`, the last one active.
    static func sample(terms count: UInt32 = 2) -> KeyRing {
        let terms = (1...count).map { id in
            KeyTerm(
                id: id, name: "term \(id)", state: id == count ? .active : .decryptOnly, createdAt: 1,
                key: Secret([UInt8](repeating: UInt8(id), count: 32)))
        }
        return KeyRing(base: Secret([UInt8](repeating: 99, count: 32)), terms: terms)
    }
}

extension EnvelopeContext {
    static func sample(
        vault: UInt8 = 7, environment: String = "production", name: [UInt8] = Array("u/c".utf8),
        contentType: String = "record.v1"
    ) throws -> EnvelopeContext {
        try EnvelopeContext(
            vaultIdentity: Array(repeating: vault, count: 16), environment: environment, name: name,
            contentType: contentType)
    }
}

/// A folder that goes when the test ends.
final class TemporaryFolder {
    let path: String

    init() throws {
        let template = FileManager.default.temporaryDirectory.path + "/coffer-crypto-XXXXXX"
        var name = Array(template.utf8CString)
        try #require(mkdtemp(&name) != nil)
        path = String(decoding: name.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file with this mode.
    @discardableResult
    func write(_ bytes: [UInt8], to name: String, mode: mode_t = 0o600) throws -> String {
        let path = file(name)
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        defer { close(file) }
        try #require(file >= 0 && Glibc.write(file, bytes, bytes.count) == bytes.count && fchmod(file, mode) == 0)
        return path
    }

    func read(_ name: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: file(name)))) }

    func mode(of name: String) throws -> mode_t {
        var status = stat()
        try #require(lstat(file(name), &status) == 0)
        return status.st_mode & 0o777
    }

    var names: [String] {
        get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() }
    }
}
