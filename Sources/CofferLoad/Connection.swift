internal import CLinux
internal import Glibc

/// One connection: its socket, its buffers and its calls in flight. All memory
/// is taken at the start.
struct Connection: ~Copyable {
    /// A call in flight, or none.
    struct Call {
        /// 0 = none.
        var id: UInt64 = 0
        /// Just before it was handed to the socket.
        var startedAt: UInt64 = 0
        var key: UInt32 = 0
        var method = Method.get
    }

    /// The low bits of a call id are its place in `calls`.
    private static let placeBits: UInt64 = 10

    let descriptor: Int32
    let calls: UnsafeMutableBufferPointer<Call>
    /// What was received and not yet taken is at the front.
    private let incoming: UnsafeMutableRawPointer
    private let incomingCapacity: Int
    private var incomingBytes = 0
    /// What was written and not yet sent is at the front.
    private let outgoing: UnsafeMutableRawPointer
    private var outgoingBytes = 0
    private var callsMade: UInt64 = 0
    /// What epoll watches this socket for.
    var watched = EPOLLIN.rawValue

    /// - Parameters:
    ///   - depth: how many calls may be in flight, at most 1024.
    ///   - incomingCapacity: room for at least the largest answer.
    init(socket: String, depth: Int, largestRequest: Int, incomingCapacity: Int) throws(LoadError) {
        descriptor = try openSocket(socket)
        calls = .allocate(capacity: depth)
        calls.initialize(repeating: Call())
        self.incomingCapacity = incomingCapacity
        incoming = .allocate(byteCount: incomingCapacity, alignment: 64)
        outgoing = .allocate(byteCount: depth * largestRequest, alignment: 64)
    }

    deinit {
        close(descriptor)
        calls.deallocate()
        incoming.deallocate()
        outgoing.deallocate()
    }

    var hasUnsent: Bool { outgoingBytes > 0 }

    /// Writes a request behind those that wait to be sent; `send` sends them.
    @inline(__always)
    mutating func enqueue(
        _ template: borrowing FrameTemplate, _ method: Method, key: UInt32, place: Int, now: UInt64
    ) {
        callsMade += 1
        let id = callsMade << Self.placeBits | UInt64(place)
        calls[place] = Call(id: id, startedAt: now, key: key, method: method)
        // There is room: what is unsent belongs to calls in flight, `depth` at most.
        template.write(to: outgoing + outgoingBytes, callID: id, key: key)
        outgoingBytes += template.frame.count
    }

    /// One send of everything that waits, as far as the socket takes it.
    @inline(__always)
    mutating func send() throws(LoadError) {
        let sent = Glibc.send(descriptor, outgoing, outgoingBytes, noWait)
        if sent == outgoingBytes {
            outgoingBytes = 0
        } else if sent > 0 {
            outgoingBytes -= sent
            memmove(outgoing, outgoing + sent, outgoingBytes)
        } else if errno != EAGAIN && errno != EINTR {
            throw .system("cannot send: the server closed the connection")
        }
    }

    /// One recv; false if nothing was there.
    @inline(__always)
    mutating func receive() throws(LoadError) -> Bool {
        let room = incomingCapacity - incomingBytes
        let got = recv(descriptor, incoming + incomingBytes, room, noWait)
        if got > 0 {
            incomingBytes += got
            return true
        }
        if got == 0 {
            throw LoadError(
                "the server closed the connection, with \(callsInFlight) calls in flight on it")
        }
        guard errno == EAGAIN || errno == EINTR else { throw .system("cannot receive") }
        return false
    }

    /// The whole answer at `offset` of what was received; nil if more has to come.
    @inline(__always)
    func answer(at offset: Int) throws(LoadError) -> Answer? {
        guard incomingBytes - offset >= FrameHeader.bytes else { return nil }
        let frame = UnsafeRawPointer(incoming + offset)
        let length = Int(frame.bigEndian(at: 0, as: UInt32.self))
        let bytes = length + FrameHeader.lengthFieldBytes
        guard bytes >= FrameHeader.bytes, bytes <= incomingCapacity else {
            throw LoadError(
                "an answer says it is \(bytes) bytes long; "
                    + "expected \(FrameHeader.bytes) to \(incomingCapacity)")
        }
        guard incomingBytes - offset >= bytes else { return nil }
        let answer = Answer(frame: UnsafeRawBufferPointer(start: frame, count: bytes))
        try answer.checkHeader()
        return answer
    }

    /// Drops the first `count` bytes of what was received.
    @inline(__always)
    mutating func consume(_ count: Int) {
        incomingBytes -= count
        if incomingBytes > 0 {
            memmove(incoming, incoming + count, incomingBytes)
        }
    }

    /// Ends the call that `answer` names, and returns it with its place.
    @inline(__always)
    func finish(_ answer: Answer) throws(LoadError) -> (place: Int, call: Call) {
        let place = Int(answer.callID & (1 << Self.placeBits - 1))
        guard place < calls.count, calls[place].id == answer.callID, answer.callID != 0 else {
            throw LoadError("an answer came to call \(answer.callID), which is not in flight")
        }
        defer { calls[place].id = 0 }
        return (place, calls[place])
    }

    private var callsInFlight: Int { calls.count { $0.id != 0 } }
}

/// A response frame, in the memory of its connection.
struct Answer {
    let frame: UnsafeRawBufferPointer

    @inline(__always)
    private func field<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _ type: T.Type) -> T {
        frame.baseAddress!.bigEndian(at: offset, as: type)
    }

    var callID: UInt64 { field(FrameHeader.Offset.callID, UInt64.self) }
    var status: UInt32 { field(FrameHeader.Offset.status, UInt32.self) }
    var payload: UnsafeRawBufferPointer { .init(rebasing: frame[FrameHeader.bytes...]) }

    /// Refuses what is not the one and only response to a call.
    @inline(__always)
    fileprivate func checkHeader() throws(LoadError) {
        let expected = UInt32(FrameHeader.version) << 24 | UInt32(FrameHeader.Kind.response) << 16
        let got = field(FrameHeader.Offset.version, UInt32.self)
        guard got != expected else { return }
        if frame[FrameHeader.Offset.kind] == FrameHeader.Kind.goAway {
            throw LoadError("the server is draining: it sent go-away")
        }
        throw LoadError(
            "expected version 1, kind 2 and no flags in an answer, got 0x\(String(got, radix: 16))")
    }
}

/// On every call: the socket itself would wait.
private let noWait = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
