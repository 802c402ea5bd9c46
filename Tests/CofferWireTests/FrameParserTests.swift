import CofferWire
import Testing

@Suite struct FrameParserTests {
    private let parser = FrameParser(maximumFrameBytes: 1_024)

    private func next(_ bytes: [UInt8]) -> FrameParser.Outcome {
        bytes.withUnsafeBytes { parser.next(in: $0) }
    }

    private func frame(
        length: UInt32? = nil, version: UInt8 = 1, kind: UInt8 = 1, payload: [UInt8] = []
    ) -> [UInt8] {
        var header = FrameHeader(
            kind: .request, callID: 7, methodOrStatus: 9, timeoutOrRetry: 11,
            payloadBytes: payload.count)
        header.version = version
        header.kind = kind
        if let length { header.length = length }
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes { header.store(to: $0.baseAddress!) }
        return bytes + payload
    }

    @Test func headerRoundTrips() {
        let header = FrameHeader(
            kind: .response, flags: 1, callID: 0x0102_0304_0506_0708, methodOrStatus: 5,
            timeoutOrRetry: 250, payloadBytes: 3)
        var bytes = [UInt8](repeating: 0, count: 24)
        bytes.withUnsafeMutableBytes { header.store(to: $0.baseAddress!) }
        #expect(
            bytes == [
                0, 0, 0, 23, 1, 2, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 5, 0, 0, 0, 250,
            ])
        #expect(bytes.withUnsafeBytes { FrameHeader(loading: $0.baseAddress!) } == header)
    }

    @Test func awaitsEveryPrefixOfAFrame() {
        let whole = frame(payload: [1, 2, 3])
        for count in 0..<whole.count { #expect(next(Array(whole[..<count])) == .incomplete) }
        guard case .frame(let header, let payloadBytes) = next(whole + [0xFF]) else {
            Issue.record("not a frame")
            return
        }
        #expect(header.callID == 7)
        #expect(payloadBytes == 3)
    }

    @Test func judgesTheLengthBeforeThePayloadComes() {
        #expect(next([0, 0, 0, 19]) == .lengthTooSmall(19))
        let oversized = frame(length: 1_021)
        #expect(next(Array(oversized[..<23])) == .incomplete)
        guard case .oversized(_, let frameBytes) = next(oversized) else {
            Issue.record("not oversized")
            return
        }
        #expect(frameBytes == 1_025)
        #expect(next(frame(length: 1_020)) == .incomplete)
    }

    @Test(arguments: [(2, 1), (0, 1), (1, 0), (1, 2), (1, 4), (1, 5), (255, 255)] as [(UInt8, UInt8)])
    func refuses(version: UInt8, kind: UInt8) {
        guard case .unsupported = next(frame(version: version, kind: kind)) else {
            Issue.record("version \(version) kind \(kind) was taken")
            return
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n", true), ("POST /v1", true), ("PRI * HTTP/2.0", true),
        ("PING\r\n", false), ("*1\r\n$4\r\n", false), ("hello", false), ("\r\n\r\n", false),
    ])
    func recognisesText(text: String, isHTTP: Bool) {
        #expect(next(Array(text.utf8)) == .text(isHTTP: isHTTP))
    }
}
