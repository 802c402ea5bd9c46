import CofferCore
import CofferWire
import Glibc

/// Connections that come.
extension Reactor {
    func accept() {
        guard let acceptor else { return }
        if let until = acceptor.restingUntil, until > now { return }
        acceptor.acceptBatch(now: now, self)
        acceptor.watch(epoll: epoll, token: Token.listener, now: now)
    }

    /// The connection may not stay: say why, in a go-away, and close.
    func turnAway(_ fd: Int32, _ failure: Failure) {
        let message = ReplyMessages.failure(failure)
        let buffer = ByteBuffer(capacity: FrameHeader.byteCount + message.count)
        FrameHeader(
            kind: .goAway, callID: 0, methodOrStatus: failure.code.rawValue,
            timeoutOrRetry: failure.retryAfterMilliseconds, payloadBytes: message.count
        ).store(to: buffer.reserve(FrameHeader.byteCount))
        buffer.commit(FrameHeader.byteCount)
        message.withUnsafeBytes { buffer.append($0) }
        // A new socket has room for it; a peer that has gone already needs no reason.
        _ = Glibc.send(fd, buffer.bytes.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
        close(fd)
    }
}
