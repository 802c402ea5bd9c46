import CLinux
import CofferCore
import CofferWire
import Glibc
import Logging

/// From bytes to calls.
extension Reactor {
    func receive(_ connection: Connection, _ quantum: Quantum) {
        if let input = connection.input { return receive(into: input, connection, quantum) }
        let count = recv(connection.fd, scratch.baseAddress, Self.scratchBytes, 0)
        guard received(count, connection) else { return }
        let bytes = UnsafeRawBufferPointer(start: scratch.baseAddress, count: count)
        let taken = process(bytes, connection, quantum)
        if taken < count && !connection.closing {
            keep(UnsafeRawBufferPointer(rebasing: bytes[taken...]), connection)
        } else if count == Self.scratchBytes {
            // There is more where that came from.
            connection.isBehind = true
        }
        coffer_wipe(scratch.baseAddress!, count)
        afterFrames(connection)
        flushLarge(connection)
    }

    /// The rest of a frame whose start is kept, and nothing behind it.
    private func receive(into input: ByteBuffer, _ connection: Connection, _ quantum: Quantum) {
        let missing = (parser.frameBytes(in: input.bytes) ?? FrameHeader.byteCount) - input.count
        let wanted = missing > 0 ? min(missing, BufferPool.bufferBytes) : BufferPool.bufferBytes
        let growth = input.capacity(reserving: wanted) - input.capacity
        if growth > 0 {
            guard reserve(growth, for: connection) else {
                return refuseFrame(input.bytes, connection)
            }
            connection.charged += growth
        }
        let count = recv(connection.fd, input.reserve(wanted), wanted, 0)
        guard received(count, connection) else { return }
        input.commit(count)
        takeFrames(connection, quantum)
        flushLarge(connection)
    }

    /// Keeps what has come of a frame, or frames that a pause or a turn's end holds back.
    private func keep(_ rest: UnsafeRawBufferPointer, _ connection: Connection) {
        let input = buffers.take(for: rest.count)
        if reserve(input.capacity, for: connection) {
            connection.charged += input.capacity
        } else if connection.isBehind {
            buffers.give(input)
            return actAtOnce(on: rest, connection)
        } else if !isPaused(connection) {
            return refuseFrame(rest, connection)
        }
        input.append(rest)
        connection.input = input
    }

    /// Without memory to wait in, frames do not wait for the next turn.
    private func actAtOnce(on frames: UnsafeRawBufferPointer, _ connection: Connection) {
        connection.isBehind = false
        let taken = process(frames, connection, .unbounded)
        guard taken < frames.count && !connection.closing else { return }
        keep(UnsafeRawBufferPointer(rebasing: frames[taken...]), connection)
    }

    /// There is no memory for the frame that begins so: its rest is thrown away as it comes.
    private func refuseFrame(_ start: UnsafeRawBufferPointer, _ connection: Connection) {
        guard let base = start.baseAddress, let total = parser.frameBytes(in: start) else {
            return cut(connection, "closed a connection: there is no memory left for what it sends")
        }
        refuse(frame: FrameHeader(loading: base), on: connection, .noRoomForFrame)
        connection.skip = total - start.count
        if connection.frameSince == nil { connection.frameSince = now }
        if let input = connection.input { release(input) }
        connection.input = nil
    }

    /// Whether there is something to take.
    func received(_ count: Int, _ connection: Connection) -> Bool {
        if count > 0 {
            connection.lastActivity = now
            return true
        }
        if count == 0 {
            endOfInput(connection)
        } else if errno != EAGAIN && errno != EINTR {
            drop(connection)
        }
        return false
    }

    /// Takes the frames that wait in the connection's own buffer.
    func takeFrames(_ connection: Connection, _ quantum: Quantum) {
        guard let input = connection.input else { return }
        let taken = process(input.bytes, connection, quantum)
        input.consume(taken)
        if input.isEmpty || connection.closing {
            release(input)
            connection.input = nil
        }
        afterFrames(connection)
    }

    func afterFrames(_ connection: Connection) {
        if connection.readClosed { dropPartialFrame(connection) }
        if connection.isBehind { fallBehind(connection) }
        // A frame whose rest is awaited, also to throw it away; frames that are held back do not age.
        if connection.skip == 0 && (connection.input == nil || connection.isBehind || isPaused(connection)) {
            connection.frameSince = nil
        } else if connection.frameSince == nil {
            connection.frameSince = now
        }
        touch(connection)
    }

    /// Acts on whole frames, until none is left or the quantum is used up; then the connection
    /// is behind. Returns how many bytes that took.
    func process(_ bytes: UnsafeRawBufferPointer, _ connection: Connection, _ quantum: Quantum) -> Int {
        var position = 0
        let (begin, end) = (spent, spent + quantum.units)
        let answersEnd = min(limits.outputBytes, (connection.output?.count ?? 0) + Quantum.answerBytes)
        while position < bytes.count && !connection.closing {
            if connection.skip > 0 {
                let skipped = min(connection.skip, bytes.count - position)
                connection.skip -= skipped
                position += skipped
                if connection.skip == 0 { connection.frameSince = nil }
                continue
            }
            if let output = connection.output, output.count > answersEnd {
                connection.isBehind = output.count <= limits.outputBytes
                break
            }
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            switch parser.next(in: rest) {
            case .incomplete: return position
            case .frame(let header, let payloadBytes):
                guard hasCurrentGrants(connection) else { return position }
                let cost = Quantum.cost(frameBytes: payloadBytes)
                if spent + cost > end && !(quantum.exceeds && spent == begin) {
                    connection.isBehind = true
                    return position
                }
                spent += cost
                connection.frameSince = nil
                let start = position + FrameHeader.byteCount
                act(
                    on: header,
                    UnsafeRawBufferPointer(rebasing: bytes[start..<start + payloadBytes]), connection)
                position = start + payloadBytes
            case .oversized(let header, let frameBytes):
                counters.malformed.increment()
                refuse(frame: header, on: connection, .frameTooLarge(frameBytes, limits.frameBytes))
                connection.skip = frameBytes
            case .unsupported(let header):
                counters.malformed.increment()
                refuse(frame: header, on: connection, .unsupportedFrame(header))
                connection.closing = true
            case .lengthTooSmall(let length):
                counters.malformed.increment()
                refuse(frame: nil, on: connection, .lengthTooSmall(length))
                connection.closing = true
            case .text(let isHTTP):
                counters.malformed.increment()
                let answer = isHTTP ? TextAnswer.http : TextAnswer.line
                answer.withUTF8Buffer { output(connection).append(UnsafeRawBufferPointer($0)) }
                connection.closing = true
            }
        }
        return connection.closing ? bytes.count : position
    }

    @inline(__always)
    func act(
        on header: FrameHeader, _ payload: UnsafeRawBufferPointer, _ connection: Connection
    ) {
        if header.kind == FrameKind.cancel.rawValue {
            cancel(header.callID, connection)
            return
        }
        counters.requests.increment()
        var call = Call(self, connection, header, payloadBytes: payload.count)
        do throws(Failure) {
            guard !draining else { throw .draining }
            guard header.flags == 0 else { throw .unknownFlags(header.flags) }
            guard connection.calls.isEmpty || connection.calls[header.callID] == nil else {
                throw .duplicateCallID(header.callID)
            }
            switch try services.handle(payload, arena, &call) {
            case .hit: complete(call.context, .hit)
            case .absent: refuse(call.context, on: connection, .absent)
            case .reply(let message): answer(call.context, on: connection, with: .message(message))
            case .waits: break
            }
        } catch {
            assert(call.context.serial == 0, "a call that waits was refused")
            if error.reason == .malformed { counters.malformed.increment() }
            refuse(call.context, on: connection, .failed(error))
        }
        arena.reset()
    }

    func endOfInput(_ connection: Connection) {
        connection.readClosed = true
        dropPartialFrame(connection)
        touch(connection)
    }

    /// Lets go of the start of a frame whose rest will not come. In a pause whole
    /// frames may wait before it: then it goes when they are taken.
    private func dropPartialFrame(_ connection: Connection) {
        connection.skip = 0
        connection.frameSince = nil
        guard let input = connection.input, !connection.isBehind, !isPaused(connection) else { return }
        release(input)
        connection.input = nil
    }
}
