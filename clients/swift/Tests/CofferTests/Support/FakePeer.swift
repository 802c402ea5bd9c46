import Glibc
import SwiftProtobuf

@testable import Coffer

/// The daemon's end of one connection, for scripts: blocking, and never for
/// longer than ten seconds.
final class FakePeer: Sendable {
    struct Ended: Error {}

    struct Request {
        let header: FrameHeader
        let frame: Frame

        func message<M: Message>(_: M.Type = M.self) throws -> M { try M(serializedBytes: frame) }
    }

    private let descriptor: Int32

    init(adopting descriptor: Int32) {
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
    }

    deinit { close(descriptor) }

    func hangUp() { shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// The next frame, whatever its kind.
    ///
    /// - Throws: `Ended` if the client hangs up or sends nothing for ten seconds.
    func read() throws -> Request {
        var head = try readBytes(FrameHeader.byteCount)
        let header = head.withUnsafeBytes { FrameHeader(loading: $0) }
        head += try readBytes(Int(header.length) - FrameHeader.countedBytes)
        return Request(header: header, frame: head.withUnsafeBytes { Frame(copying: $0) })
    }

    /// Whether something can be read within this time.
    func hasInput(withinMilliseconds milliseconds: Int32) -> Bool {
        var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, milliseconds) > 0
    }

    private func readBytes(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress! + filled, count - filled, 0) }
            guard got > 0 else { throw Ended() }
            filled += got
        }
        return bytes
    }

    func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Ended() }
            sent += count
        }
    }

    func respond(_ call: UInt64, _ message: some Message, more: Bool = false) throws {
        try write(Self.response(call, message, more: more))
    }

    func refuse(
        _ call: UInt64, _ code: CofferError.Code, _ reason: Coffer_V1_Failure.Reason, mayHaveHappened: Bool = false
    ) throws {
        try write(Self.refusal(call, code, reason, mayHaveHappened: mayHaveHappened))
    }

    func goAway() throws { try write(Self.frame(FrameHeader(.goAway, callID: 0))) }

    static func response(_ call: UInt64, _ message: some Message, more: Bool = false) throws -> [UInt8] {
        let payload: [UInt8] = try message.serializedBytes()
        return frame(
            FrameHeader(.response, callID: call, flags: more ? 1 : 0, payloadBytes: payload.count), payload)
    }

    static func refusal(
        _ call: UInt64, _ code: CofferError.Code, _ reason: Coffer_V1_Failure.Reason, mayHaveHappened: Bool = false
    ) throws -> [UInt8] {
        let payload: [UInt8] = try Coffer_V1_Failure.with {
            $0.reason = reason
            $0.message = "no"
            $0.mayHaveHappened = mayHaveHappened
        }.serializedBytes()
        return frame(
            FrameHeader(
                .response, callID: call, methodOrStatus: code.rawValue, payloadBytes: payload.count), payload)
    }

    static func frame(_ header: FrameHeader, _ payload: [UInt8] = []) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes { header.store(to: $0) }
        return bytes + payload
    }
}
