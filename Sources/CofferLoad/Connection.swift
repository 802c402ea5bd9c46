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
    /// Where answers name no call: the place of each call by its number, and how
    /// many were answered.
    private let order: UnsafeMutableBufferPointer<UInt16>
    private var callsAnswered: UInt64 = 0
    /// What epoll watches this socket for.
    var watched = EPOLLIN.rawValue

    /// - Parameters:
    ///   - depth: how many calls may be in flight, at most 1024.
    ///   - incomingCapacity: room for at least the largest answer.
    init(socket: String, depth: Int, largestRequest: Int, incomingCapacity: Int) throws(LoadError) {
        descriptor = try openSocket(socket)
        calls = .allocate(capacity: depth)
        calls.initialize(repeating: Call())
        order = .allocate(capacity: depth)
        order.initialize(repeating: 0)
        self.incomingCapacity = incomingCapacity
        incoming = .allocate(byteCount: incomingCapacity, alignment: 64)
        outgoing = .allocate(byteCount: depth * largestRequest, alignment: 64)
    }

    deinit {
        close(descriptor)
        calls.deallocate()
        order.deallocate()
        incoming.deallocate()
        outgoing.deallocate()
    }

    var hasUnsent: Bool { outgoingBytes > 0 }

    /// Writes a request behind those that wait to be sent; `send` sends them.
    @inline(__always)
    mutating func enqueue<W: Wire>(
        _ wire: W, _ method: Method, key: UInt32, place: Int, now: UInt64
    ) {
        callsMade += 1
        let id = callsMade << Self.placeBits | UInt64(place)
        calls[place] = Call(id: id, startedAt: now, key: key, method: method)
        if W.isOrdered { order[Int(callsMade % UInt64(order.count))] = UInt16(place) }
        // There is room: what is unsent belongs to calls in flight, `depth` at most.
        outgoingBytes += wire.write(
            method, to: outgoing + outgoingBytes, callID: id, sequence: callsMade, key: key)
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

    /// What was received from `offset` on.
    @inline(__always)
    func received(from offset: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: incoming + offset, count: incomingBytes - offset)
    }

    /// Whether nothing more can come before something is taken.
    var isFull: Bool { incomingBytes == incomingCapacity }

    /// Drops the first `count` bytes of what was received.
    @inline(__always)
    mutating func consume(_ count: Int) {
        incomingBytes -= count
        if incomingBytes > 0 {
            memmove(incoming, incoming + count, incomingBytes)
        }
    }

    /// Ends the call that is answered, and returns it with its place.
    @inline(__always)
    mutating func finish<W: Wire>(
        _ answer: Answer, of wire: W
    ) throws(LoadError) -> (place: Int, call: Call) {
        if W.isOrdered {
            guard callsAnswered < callsMade else {
                throw LoadError("an answer came, and no call is in flight")
            }
            callsAnswered += 1
            let place = Int(order[Int(callsAnswered % UInt64(order.count))])
            defer { calls[place].id = 0 }
            return (place, calls[place])
        }
        let place = Int(answer.callID & (1 << Self.placeBits - 1))
        guard place < calls.count, calls[place].id == answer.callID, answer.callID != 0 else {
            throw LoadError("an answer came to call \(answer.callID), which is not in flight")
        }
        defer { calls[place].id = 0 }
        return (place, calls[place])
    }

    private var callsInFlight: Int { calls.count { $0.id != 0 } }
}

/// On every call: the socket itself would wait.
private let noWait = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
