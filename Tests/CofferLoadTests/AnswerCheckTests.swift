import Foundation
import Testing

@testable import CofferLoad

@Suite struct AnswerCheckTests {
    /// `protoc --encode`: credential "0000002aij", version "v1", created_at_ms
    /// 1790000000000, updated_at_ms one more, SOURCE_MEMORY, age_ms 300.
    private static let right =
        "0a0a3030303030303261696a" + "12027631" + "2080d8c1a28c34" + "2881d8c1a28c34" + "3801"
        + "40ac02"
    private static let check = AnswerCheck(shape: RecordShape(valueBytes: 10), valuesDiffer: true)

    private static func fault(
        _ message: String, _ method: Method = .get, key: UInt32 = 0x2a
    ) -> String? {
        bytes(message).withUnsafeBytes { check.fault(in: $0.bytes, method: method, key: key) }
    }

    @Test func acceptsWhatProtocEncodes() {
        #expect(Self.fault(Self.right) == nil)
        #expect(Self.fault("0a0276311080d8c1a28c341881d8c1a28c34", .store) == nil)
    }

    @Test(arguments: [
        ("another value", "696a", "696b"),
        ("another record's value", "3030303030303261", "3030303030303262"),
        ("a longer value", "0a0a3030303030303261696a", "0a0b3030303030303261696a6b"),
        ("no value", "0a0a3030303030303261696a", ""),
        ("no version", "12027631", ""),
        ("an empty version", "12027631", "1200"),
        ("no creation", "2080d8c1a28c34", ""),
        ("updated before it was created", "2881d8c1a28c34", "2801"),
        ("no source", "3801", ""),
        ("an undefined source", "3801", "3804"),
        ("stale from memory", "40ac02", "40ac024801"),
        ("an unknown field", "40ac02", "40ac026001"),
        ("an expiry", "3801", "30013801"),
        ("a cut message", "40ac02", "40ac"),
        ("a field longer than the message", "12027631", "127f7631"),
        ("a 32-bit field", "3801", "38015500000000"),
        ("a varint of 70 bits", "40ac02", "40ffffffffffffffffffff01"),
    ])
    func refuses(what: String, part: String, replacement: String) throws {
        let range = try #require(Self.right.range(of: part))
        let message = Self.right.replacingCharacters(in: range, with: replacement)
        #expect(Self.fault(message) != nil, "\(what)")
    }

    @Test func refusesAnIncompleteStoreResponse() {
        #expect(Self.fault("0a027631", .store) != nil)
        #expect(Self.fault("", .store) != nil)
    }

    @Test(arguments: [("", true), ("0801", true), ("0802", false), ("1001", false), ("08", false)])
    func aDeleteSaysWhetherTheRecordWasThere(message: String, isRight: Bool) {
        #expect((Self.fault(message, .delete) == nil) == isRight)
    }

    @Test func neverShowsTheValue() throws {
        let fault = try #require(Self.fault(Self.right, key: 1))
        #expect(fault == "Get: record 1 came with another value: 10 bytes, expected 10")
    }
}
