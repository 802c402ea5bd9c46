import CofferAccess
import CofferCache
import Glibc

@testable import CofferServer

/// Plays an input against the whole way of hostile bytes: socket, reactor,
/// frames, scan, protobuf-c, services, cache, vault, and back.
///
/// One thread and no real time: the same input always does the same.
final class ServiceRun {
    /// What inputs did, in numbers.
    struct Tally {
        var inputs: UInt64 = 0
        var frames: UInt64 = 0
        /// Frames whose payload passed the scan and reached protobuf-c.
        var decoded: UInt64 = 0
        var inputsDecoding: UInt64 = 0
    }

    private let tasks = TaskQueue()
    private var services: [UInt8: Service] = [:]
    private(set) var tally = Tally()
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)

    deinit { scratch.deallocate() }

    /// - Returns: nil, or which promise was broken.
    func play(_ input: UnsafeRawBufferPointer) -> String? {
        guard let script = Script(input) else { return nil }
        let service = service(script.options)
        let stream = UnsafeRawBufferPointer(rebasing: input[Script.byteCount...])
        let expected = ExpectedReplies(to: Array(stream)[...], maximumFrameBytes: service.limits.frameBytes)
        let decodedBefore = service.probe.messages
        var violation: String?
        tasks.claim(seed: script.seed) {
            violation = play(stream, script, service, expected)
        }
        tally.inputs += 1
        tally.frames += expected.frames
        tally.decoded += service.probe.messages - decodedBefore
        if service.probe.messages > decodedBefore { tally.inputsDecoding += 1 }
        return violation
    }

    private func service(_ options: Script.Options) -> Service {
        let kind = options.intersection([.smallLimits, .noCache])
        if let service = services[kind.rawValue] { return service }
        var limits = ServerLimits()
        if kind.contains(.smallLimits) {
            limits.frameBytes = 4_096
            limits.callsPerConnection = 2
            limits.outputBytes = 0
        }
        let cache = CacheConfiguration(
            maximumBytes: 1 << 20, ttlMilliseconds: kind.contains(.noCache) ? 0 : 300_000)
        do {
            let service = try Service(limits: limits, cache: cache)
            services[kind.rawValue] = service
            return service
        } catch {
            fatalError("the service does not start: \(error)")
        }
    }

    private func play(
        _ stream: UnsafeRawBufferPointer, _ script: Script, _ service: Service,
        _ expected: ExpectedReplies
    ) -> String? {
        service.reset(script)
        let uid = script.options.contains(.stranger) ? Service.stranger : Service.owner
        let (server, client) = Client.pair(scratch: scratch)
        guard service.ledger.openConnection(uid: uid) else { return "the ledger has no room" }
        service.reactor.adopt(server, Peer(uid: uid, gid: uid, pid: 1))
        var turns = Turns(service: service, client: client, tasks: tasks, server: server, script: script)
        send(stream, script, client, &turns)
        client.endSending()
        turns.settle()
        service.probe.reset()
        return service.leftover() ?? ReplyCheck(expected).violation(in: client.received)
    }

    private func send(
        _ stream: UnsafeRawBufferPointer, _ script: Script, _ client: Client, _ turns: inout Turns
    ) {
        var random = SplitMix(seed: script.seed)
        var position = 0
        var pieces = 0
        while position < stream.count {
            let isLast = script.largestChunk == 0 || pieces == Script.maximumPieces
            let wanted = isLast ? stream.count : 1 + random.below(script.largestChunk)
            pieces += isLast ? 0 : 1
            let chunk = UnsafeRawBufferPointer(
                rebasing: stream[position..<min(stream.count, position + wanted)])
            switch client.send(chunk) {
            case .gone: return
            case .bytes(let count): position += count
            case .full: turns.letGo()
            }
            turns.next()
        }
    }
}

/// The turns of the reactor in one run.
private struct Turns {
    let service: Service
    let client: Client
    let tasks: TaskQueue
    let server: Int32
    let script: Script
    private var elapsed: UInt64 = 0

    init(service: Service, client: Client, tasks: TaskQueue, server: Int32, script: Script) {
        self.service = service
        self.client = client
        self.tasks = tasks
        self.server = server
        self.script = script
    }

    mutating func next() {
        turn()
        if !script.options.contains(.lateReader) { client.receive() }
    }

    /// Whatever was put off for later happens now.
    mutating func letGo() {
        service.vault.answer()
        turn()
        client.receive()
    }

    /// Until the client is gone, and what it had under way is over. What stays
    /// is found by the check that follows.
    mutating func settle() {
        turn()
        var left = 10_000
        while left > 0 && !isOver {
            letGo()
            left -= 1
        }
        client.receive()
    }

    private var isOver: Bool { service.reactor.openCount == 0 && service.isQuiet && tasks.isEmpty }

    private mutating func turn() {
        // Below what cuts a slow peer: then every call has its answer.
        if script.options.contains(.clock) && elapsed < 8_000 {
            elapsed += 1
            service.clock.advance(byMilliseconds: 1)
        }
        tasks.runAll()
        Sanitizer.withForbidden(behindWhatWaits) { service.reactor.turn(waiting: 0) }
        service.probe.reset()
    }

    /// What lies in the reactor's receive buffer behind the bytes that this turn
    /// can bring.
    private var behindWhatWaits: UnsafeRawBufferPointer {
        var waiting: Int32 = 0
        let scratch = UnsafeRawBufferPointer(service.reactor.scratch)
        guard service.reactor.openCount > 0, ioctl(server, UInt(FIONREAD), &waiting) == 0 else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(rebasing: scratch.dropFirst(Int(waiting)).prefix(256))
    }
}
