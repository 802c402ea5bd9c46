import CofferCore
import CofferWire
import Glibc

/// Replies, appended during an event and sent at its end.
extension Reactor {
    /// Where replies to this connection are appended; they go out at the end of the event.
    @inline(__always)
    func output(_ connection: Connection) -> ByteBuffer {
        if let output = connection.output { return output }
        let output = buffers.take()
        connection.output = output
        return output
    }

    func respond(_ connection: Connection, _ callID: UInt64, _ message: Secret, more: Bool = false) {
        let output = output(connection)
        FrameHeader(
            kind: .response, flags: more ? FrameHeader.moreFlag : 0, callID: callID,
            payloadBytes: message.count
        ).store(to: output.reserve(FrameHeader.byteCount + message.count))
        output.commit(FrameHeader.byteCount)
        message.withUnsafeBytes { output.append($0) }
    }

    func respond(
        _ connection: Connection, _ callID: UInt64, _ record: Secret, tail: GetResponseTail
    ) {
        let output = output(connection)
        let start = output.reserve(
            FrameHeader.byteCount + record.count + GetResponseTail.maximumBytes)
        let body = start + FrameHeader.byteCount
        record.withUnsafeBytes { body.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        let count = record.count + tail.write(to: body + record.count)
        FrameHeader(kind: .response, callID: callID, payloadBytes: count).store(to: start)
        output.commit(FrameHeader.byteCount + count)
    }

    func respond(_ connection: Connection, _ callID: UInt64, _ failure: Failure) {
        let message = ReplyMessages.failure(failure)
        let output = output(connection)
        FrameHeader(
            kind: .response, callID: callID, methodOrStatus: failure.code.rawValue,
            timeoutOrRetry: failure.retryAfterMilliseconds, payloadBytes: message.count
        ).store(to: output.reserve(FrameHeader.byteCount))
        output.commit(FrameHeader.byteCount)
        message.withUnsafeBytes { output.append($0) }
        touch(connection)
    }

    @inline(__always)
    func touch(_ connection: Connection) {
        guard !connection.touched else { return }
        connection.touched = true
        touched.append(connection)
    }

    func flushTouched() {
        // Most events touch one connection.
        if touched.count == 1, let connection = touched.popLast() {
            connection.touched = false
            return flush(connection)
        }
        var index = 0
        while index < touched.count {
            let connection = touched[index]
            index += 1
            connection.touched = false
            flush(connection)
        }
        touched.removeAll(keepingCapacity: true)
    }

    /// What is collected for one connection is not counted yet, so it stays small.
    @inline(__always)
    func flushLarge(_ connection: Connection) {
        if let output = connection.output, output.count > BufferPool.bufferBytes { flush(connection) }
    }

    func flush(_ connection: Connection) {
        guard sendOutput(connection) else { return }
        // Frames that a pause held back; or the last bytes, which nothing follows.
        if connection.input != nil && !connection.isBehind && !isPaused(connection)
            && (connection.frameSince == nil || connection.readClosed)
        {
            fallBehind(connection)
        }
        setInterest(connection)
        offerTurn(connection)
    }

    /// False if the connection is gone.
    private func sendOutput(_ connection: Connection) -> Bool {
        guard find(connection.token) === connection else { return false }
        if let output = connection.output {
            guard send(output, connection) else { return false }
            if output.isEmpty {
                buffers.give(output)
                connection.output = nil
                connection.stalledSince = nil
            }
        }
        if connection.output == nil && isFinished(connection) {
            drop(connection)
            return false
        }
        return recharge(connection)
    }

    /// Nothing more will be sent to it.
    func isFinished(_ connection: Connection) -> Bool {
        connection.closing
            || (connection.readClosed && connection.calls.isEmpty && connection.input == nil)
    }

    /// One send; false if the connection is gone.
    func send(_ output: ByteBuffer, _ connection: Connection) -> Bool {
        let bytes = output.bytes
        let sent = Glibc.send(
            connection.fd, bytes.baseAddress, bytes.count,
            Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        if sent > 0 {
            output.consume(sent)
            if output.isEmpty { connection.stalledSince = nil } else { stall(connection) }
            return true
        }
        if sent < 0 && errno != EAGAIN && errno != EINTR {
            drop(connection)
            return false
        }
        if connection.stalledSince == nil { stall(connection) }
        return true
    }
}
