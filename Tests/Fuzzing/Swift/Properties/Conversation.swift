import CofferAccess
import CofferCache
import CofferCore
import CofferWire
import Testing

@testable import CofferServer

/// One client and a reactor with a clock that moves by hand, before a vault that
/// answers when it is told to.
final class Conversation {
    let service: Service
    let client: Client
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
    private let tasks = TaskQueue()

    /// - Parameters:
    ///   - limits: those of the reactor.
    ///   - ttlMilliseconds: for how long the cache repeats what the vault has said.
    ///   - policy: who may do what.
    ///   - prepare: is given the daemon's end of the socket before it is used.
    init(
        limits: ServerLimits = ServerLimits(), ttlMilliseconds: UInt64 = 0,
        policy: Policy = Service.policy, identifier: any CallerIdentifier = NoIdentifier(), prepare: (Int32) -> Void = { _ in }
    ) throws {
        service = try Service(
            limits: limits, cache: CacheConfiguration(maximumBytes: 16 << 20, ttlMilliseconds: ttlMilliseconds),
            policy: policy, identifier: identifier)
        service.vault.reset(seed: 1, fails: false, holds: true)
        let (server, client) = Client.pair(scratch: scratch)
        self.client = client
        prepare(server)
        adopt(server)
    }

    /// A client beside the first one.
    func another() -> Client {
        let (server, client) = Client.pair(scratch: scratch)
        adopt(server)
        return client
    }

    private func adopt(_ server: Int32) {
        #expect(service.ledger.openConnection(uid: Service.owner))
        service.reactor.adopt(server, Peer(uid: Service.owner, gid: 0, pid: 1))
    }

    deinit { scratch.deallocate() }

    /// Everything of a conversation happens in here.
    func run(_ body: () -> Void) { tasks.claim(seed: 1, body) }

    /// Sends a Get of a record that is not there.
    func ask(callID: UInt64, milliseconds: UInt32 = 10_000) { send(Self.get(callID: callID, milliseconds: milliseconds)) }

    func send(_ bytes: [UInt8]) { send(bytes, from: client) }

    func send(_ bytes: [UInt8], from client: Client) {
        #expect(bytes.withUnsafeBytes { client.send($0) } == .bytes(bytes.count))
    }

    static func get(callID: UInt64, milliseconds: UInt32 = 10_000) -> [UInt8] {
        frame([0x0a, 1, 0x75, 0x12, 1, 0x63], callID: callID, milliseconds: milliseconds)
    }

    static func frame(
        _ payload: [UInt8], method: UInt32 = CredentialsMethod.get.rawValue, callID: UInt64, milliseconds: UInt32 = 10_000
    ) -> [UInt8] {
        frame(.request, payload, method: method, callID: callID, milliseconds: milliseconds)
    }

    static func cancel(callID: UInt64) -> [UInt8] { frame(.cancel, [], method: 0, callID: callID, milliseconds: 0) }

    private static func frame(
        _ kind: FrameKind, _ payload: [UInt8], method: UInt32, callID: UInt64, milliseconds: UInt32
    ) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        frame.withUnsafeMutableBytes {
            FrameHeader(
                kind: kind, callID: callID, methodOrStatus: method, timeoutOrRetry: milliseconds,
                payloadBytes: payload.count
            ).store(to: $0.baseAddress!)
        }
        return frame + payload
    }

    /// Until the reactor has caught up with what has come.
    func settle() {
        var turns = 0
        while turns < 8 || (!service.reactor.isCaughtUp && turns < 10_000) {
            turn()
            turns += 1
        }
    }

    /// One turn of the reactor, and what other tasks make of it.
    func turn() {
        service.reactor.turn(waiting: 0)
        tasks.runAll()
    }

    /// Turns until that is so, a thousand at most.
    ///
    /// - Returns: how many that were.
    func turns(until isDone: () -> Bool) -> Int {
        var turns = 0
        while !isDone(), turns < 1_000 {
            turn()
            turns += 1
        }
        return turns
    }

    /// Lets the vault answer for as long as somebody waits for it.
    func answerAll() {
        repeat {
            service.vault.answer()
            settle()
            client.receive()
        } while !service.vault.isIdle
        settle()
    }

    /// Takes answers for as long as there are more.
    func receiveAll() {
        var count: Int
        repeat {
            count = client.received.count
            client.receive()
            settle()
        } while client.received.count > count
    }

    /// Stops the daemon, up to the point where it refuses what waits for the vault.
    func drainUntilWaitingIsRefused() {
        settle()
        service.reactor.beginDrain()
        let quarter = UInt64(service.limits.drainSeconds) * 250
        for _ in 0..<3 {
            settle()
            service.clock.advance(byMilliseconds: quarter)
        }
        settle()
    }

    /// Of all answers so far, and the go-away, whose id is 0.
    var answers: [(callID: UInt64, status: UInt32)] { frames.map { ($0.header.callID, $0.header.methodOrStatus) } }

    /// All that was answered so far.
    var frames: [(header: FrameHeader, payload: [UInt8])] {
        settle()
        return Self.frames(to: client)
    }

    /// All that this client has been answered, without another turn of the reactor.
    static func frames(to client: Client) -> [(header: FrameHeader, payload: [UInt8])] {
        client.receive()
        return client.received.withUnsafeBytes { bytes in
            var frames: [(FrameHeader, [UInt8])] = []
            var position = 0
            while position < bytes.count {
                let header = FrameHeader(loading: bytes.baseAddress! + position)
                let end = position + 4 + Int(header.length)
                frames.append((header, Array(bytes[position + FrameHeader.byteCount..<end])))
                position = end
            }
            return frames
        }
    }
}
