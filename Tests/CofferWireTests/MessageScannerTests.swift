import CofferCore
@testable import CofferWire
import Testing

@Suite struct MessageScannerTests {
    private static let key = MessageSchema(
        name: "Key",
        fields: [
            .init(number: 1, name: "user_id", kind: .string, repeated: false, oneof: 0),
            .init(number: 2, name: "connection_id", kind: .string, repeated: false, oneof: 0),
        ])

    private static let schema = MessageSchema(
        name: "Test",
        fields: [
            .init(number: 1, name: "text", kind: .string, repeated: false, oneof: 0),
            .init(number: 2, name: "data", kind: .bytes, repeated: false, oneof: 0),
            .init(number: 3, name: "small", kind: .uint32, repeated: false, oneof: 0),
            .init(number: 4, name: "large", kind: .uint64, repeated: false, oneof: 0),
            .init(number: 5, name: "flag", kind: .bool, repeated: false, oneof: 0),
            .init(number: 6, name: "labels", kind: .mapStringString, repeated: true, oneof: 0),
            .init(number: 7, name: "keys", kind: .message(key), repeated: true, oneof: 0),
            .init(number: 8, name: "a", kind: .uint32, repeated: false, oneof: 1),
            .init(number: 9, name: "b", kind: .uint32, repeated: false, oneof: 1),
        ])

    private func finding(_ bytes: [UInt8]) -> String? {
        bytes.withUnsafeBytes { bytes in
            do throws(Failure) {
                try MessageScanner.scan(bytes, as: Self.schema)
                return nil
            } catch {
                #expect(error.code == .invalidArgument)
                #expect(error.reason == .malformed)
                return error.message
            }
        }
    }

    @Test(arguments: [
        [], [0x0A, 2, 0x68, 0x69], [0x0A, 0], [0x12, 1, 0], [0x18, 0x7F], [0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        [0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], [0x28, 1],
        [0x32, 4, 0x0A, 0, 0x12, 0], [0x32, 0], [0x32, 2, 0x12, 0, 0x32, 2, 0x0A, 0],
        [0x3A, 3, 0x0A, 1, 0x61, 0x3A, 0], [0x40, 1], [0x48, 1],
        // Unknown fields of every wire type that is one.
        [0x80, 1, 5], [0x81, 1, 1, 2, 3, 4, 5, 6, 7, 8], [0x82, 1, 1, 0], [0x85, 1, 1, 2, 3, 4],
    ] as [[UInt8]])
    func accepts(bytes: [UInt8]) { #expect(finding(bytes) == nil) }

    @Test(arguments: [
        ([0x0A, 3, 0x68], "Test.text"), ([0x0A], "Test.text"), ([0x0A, 1, 0], "U+0000"),
        ([0x0A, 1, 0xFF], "UTF-8"), ([0x0A, 2, 0xC0, 0x80], "UTF-8"), ([0x0A, 3, 0xED, 0xA0, 0x80], "UTF-8"),
        ([0x0A, 0, 0x0A, 0], "twice"), ([0x08, 1], "wire type"), ([0x18, 0x80, 0], "varint"),
        ([0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F], "range"), ([0x28, 2], "range"),
        ([0x20, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2], "varint"),
        ([0x20, 0x80], "varint"), ([0x40, 1, 0x48, 1], "oneof"), ([0x40, 1, 0x40, 1], "twice"),
        ([0x00], "field number"), ([0x0B], "wire type"), ([0x83, 1], "wire type"), ([0x86, 1], "wire type"),
        ([0x81, 1, 1], "beyond the end"), ([0x32, 2, 0x1A, 0], "map entry"),
        ([0x32, 4, 0x0A, 0, 0x0A, 0], "twice"), ([0x32, 3, 0x0A, 1, 0], "U+0000"),
        ([0x3A, 4, 0x0A, 0, 0x0A, 0], "Key.user_id"), ([0x3A, 2, 0x0A, 5], "Key.user_id"),
        ([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F], "varint"),
    ] as [([UInt8], String)])
    func refuses(bytes: [UInt8], why: String) {
        let message = finding(bytes)
        #expect(message?.contains(why) == true, "\(bytes) gave \(message ?? "nothing")")
    }

    @Test func limitsUnknownFieldsAndElements() {
        let unknown: [UInt8] = [0x80, 1, 5]
        #expect(finding(Array(repeatElement(unknown, count: 8).joined())) == nil)
        #expect(finding(Array(repeatElement(unknown, count: 9).joined()))?.contains("unknown") == true)
        let element: [UInt8] = [0x3A, 0]
        #expect(finding(Array(repeatElement(element, count: 1_024).joined())) == nil)
        #expect(finding(Array(repeatElement(element, count: 1_025).joined()))?.contains("elements") == true)
    }

    /// Every text of one to four bytes out of an alphabet that has each class of
    /// lead and continuation byte: our check agrees with the standard library's.
    @Test func agreesWithTheStandardLibraryOnUTF8() {
        let alphabet: [UInt8] = [
            0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEF,
            0xF0, 0xF1, 0xF4, 0xF5, 0xFF,
        ]
        var texts: [[UInt8]] = [[]]
        var longest = texts
        for _ in 0..<4 {
            longest = longest.flatMap { text in alphabet.map { text + [$0] } }
            texts += longest
        }
        for text in texts {
            let ours = text.withUnsafeBytes { UTF8Check.fault(in: $0) == nil }
            let padded = text + Array("12345678".utf8)
            let oursPadded = padded.withUnsafeBytes { UTF8Check.fault(in: $0) == nil }
            let standard = String(validating: text, as: UTF8.self) != nil
            if ours != standard || oursPadded != standard {
                Issue.record("\(text): ours \(ours), padded \(oursPadded), standard \(standard)")
                return
            }
        }
    }
}
