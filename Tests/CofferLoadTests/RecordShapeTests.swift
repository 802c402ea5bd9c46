import Testing

@testable import CofferLoad

/// Expected bytes come from `protoc --encode`, run on proto/coffer/v1.
@Suite struct RecordShapeTests {
    static let get42 = "0a0d6c6f61642d303030303030326112046d61696e"

    @Test(arguments: [0, 1, 9, 10, 0x2a, 0x99_9999, 0xdead_beef, 0x0123_4567, .max] as [UInt32])
    func writesEightDigits(key: UInt32) {
        let digits = RecordShape.hexadecimal(key)
        let text = stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: digits >> $0) }
        let plain = String(key, radix: 16)
        #expect(
            String(decoding: text, as: UTF8.self)
                == String(repeating: "0", count: 8 - plain.count) + plain)
    }

    @Test(arguments: [(Method.get, 0xccd8_38ec), (.store, 0x1b3a_0791), (.delete, 0x4199_f38b)] as [(Method, UInt32)])
    func hashesMethodNames(method: Method, id: UInt32) {
        #expect(method.id == id)
    }

    @Test func getFrameIsThatOfProtoc() {
        // Length 41, version 1, request; call 0x0102; Credentials/Get; no timeout.
        let header = "00000029" + "01010000" + "0000000000000102" + "ccd838ec" + "00000000"
        #expect(Self.frame(.get, valueBytes: 10) == header + Self.get42)
    }

    @Test func aMaximumAgeIsInEveryGet() {
        let template = FrameTemplate(.get, shape: RecordShape(valueBytes: 10), maximumAge: 0)
        #expect(hexadecimal(Array(template.frame[FrameHeader.bytes...])).hasSuffix("12046d61696e1800"))
    }

    @Test func storeFrameIsThatOfProtoc() {
        let header = "00000035" + "01010000" + "0000000000000102" + "1b3a0791" + "00000000"
        // credential: "0000002aij"
        #expect(
            Self.frame(.store, valueBytes: 10)
                == header + Self.get42 + "1a0a" + "3030303030303261" + "696a")
    }

    @Test func deleteFrameIsThatOfProtoc() {
        let header = "00000029" + "01010000" + "0000000000000102" + "4199f38b" + "00000000"
        #expect(Self.frame(.delete, valueBytes: 10) == header + Self.get42)
    }

    @Test func aSmallValueHasNoDigits() {
        #expect(Self.frame(.store, valueBytes: 3).hasSuffix(Self.get42 + "1a03616263"))
    }

    private static func frame(_ method: Method, valueBytes: Int) -> String {
        let template = FrameTemplate(method, shape: RecordShape(valueBytes: valueBytes))
        var frame = [UInt8](repeating: 0xff, count: template.frame.count)
        frame.withUnsafeMutableBytes {
            template.write(to: $0.baseAddress!, callID: 0x0102, key: 0x2a)
        }
        return hexadecimal(frame)
    }
}

func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
}

func bytes(_ hexadecimal: String) -> [UInt8] {
    var rest = hexadecimal[...]
    var bytes: [UInt8] = []
    while let byte = UInt8(rest.prefix(2), radix: 16) {
        bytes.append(byte)
        rest = rest.dropFirst(2)
    }
    return bytes
}
