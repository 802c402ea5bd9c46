import CofferAccess
import CofferCache
import CofferCore
import CofferServer
import CofferWire
import Testing

@testable import CofferServer

/// Many connections that send, cancel, run out of time and close as it happens, before a vault
/// that answers when chance wants it: at every moment all work is within the limits.
@Suite struct WorkLimitsTests {
    private final class Crowd {
        private static let connections = 6

        let service: Service
        private let tasks = TaskQueue()
        private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 65_536, alignment: 16)
        private var clients: [Client] = []
        private var random: SplitMix
        private var lastID: UInt64 = 0
        private(set) var refusals = 0

        init(seed: UInt64, ttlMilliseconds: UInt64) throws {
            random = SplitMix(seed: seed)
            var limits = ServerLimits()
            limits.callsPerConnection = 8
            limits.callsPerUID = 24
            service = try Service(
                limits: limits, cache: CacheConfiguration(maximumBytes: 1 << 20, ttlMilliseconds: ttlMilliseconds))
            service.vault.reset(seed: seed, fails: seed % 2 == 1, holds: true)
        }

        deinit { scratch.deallocate() }

        /// - Returns: the first sample beyond a limit.
        func run(steps: Int) -> String? {
            var violation: String?
            tasks.claim(seed: random.next()) {
                for step in 0..<steps where violation == nil {
                    act()
                    turn()
                    violation = sample().map { "step \(step): \($0)" }
                }
                clients.forEach(count)
                clients = []
                var left = 10_000
                while left > 0, service.reactor.openCount > 0 || !service.isQuiet || !tasks.isEmpty {
                    service.vault.answer()
                    turn()
                    left -= 1
                }
            }
            return violation ?? service.leftover() ?? uncounted()
        }

        /// Every frame of these clients that is no cancel is a call.
        private func uncounted() -> String? {
            let (calls, ended) = (service.counters.requests.current, service.endings.count)
            return calls == ended ? nil : "\(calls) calls began, and \(ended) ended"
        }

        private func turn() {
            for _ in 0..<2 {
                service.reactor.turn(waiting: 0)
                tasks.runAll()
            }
        }

        private func act() {
            switch random.below(20) {
            case 0 where clients.count < Self.connections: connect()
            case 1 where !clients.isEmpty:
                let client = clients.remove(at: random.below(clients.count))
                count(client)
            case 2, 3: service.vault.answerOne(oldest: random.oneIn(2))
            case 4: service.clock.advance(byMilliseconds: UInt64(1 + random.below(100)))
            case 5...9 where !clients.isEmpty:
                send(Conversation.cancel(callID: lastID - min(lastID, UInt64(random.below(12)))))
            default:
                guard !clients.isEmpty else { return connect() }
                lastID += 1
                let request = random.pick(Request.allCases)
                send(
                    Conversation.frame(
                        request.payload(user: "user\(random.below(5))"), method: request.method, callID: lastID,
                        milliseconds: UInt32(20 + random.below(2_000))))
            }
        }

        private func connect() {
            let (server, client) = Client.pair(scratch: scratch)
            guard service.ledger.openConnection(uid: Service.owner) else { return }
            service.reactor.adopt(server, Peer(uid: Service.owner, gid: 0, pid: 1))
            clients.append(client)
        }

        private func send(_ bytes: [UInt8]) {
            let client = random.pick(clients)
            _ = bytes.withUnsafeBytes { client.send($0) }
            client.receive()
        }

        private func count(_ client: Client) {
            client.receive()
            var rest = client.received[...]
            while rest.count >= FrameHeader.byteCount {
                let header = rest.withUnsafeBytes { FrameHeader(loading: $0.baseAddress!) }
                if header.methodOrStatus == StatusCode.resourceExhausted.rawValue { refusals += 1 }
                rest = rest.dropFirst(4 + Int(header.length))
            }
        }

        private func sample() -> String? {
            let limits = service.limits
            let work = service.ledger.work
            if work > PendingCall.Kind.health.limit(limits.callsPerUID) { return "\(work) calls in hand" }
            for case let connection? in service.reactor.connections
            where connection.calls.count > PendingCall.Kind.health.limit(limits.callsPerConnection) {
                return "\(connection.calls.count) calls wait on a connection"
            }
            let waiting = service.reactor.connections.reduce(0) { $0 + ($1?.calls.count ?? 0) }
            if service.reactor.calls.count != waiting {
                return "\(service.reactor.calls.count) calls are known, and \(waiting) wait"
            }
            // Here a call asks for one key. One check and one examination are nobody's.
            let flights = service.credentials.cache.usage.flights
            let refreshes = service.credentials.cache.configuration.maximumRefreshes
            if flights > work + refreshes { return "\(flights) flights for \(work) calls" }
            if service.vault.heldCount > work + refreshes + 2 {
                return "\(service.vault.heldCount) calls are at the vault for \(work) in hand"
            }
            return nil
        }
    }

    @Test(arguments: 0..<24) func holdAtEveryMoment(seed: UInt64) throws {
        let crowd = try Crowd(seed: seed, ttlMilliseconds: seed % 4 < 2 ? 0 : 300_000)
        #expect(crowd.run(steps: 2_000) == nil)
        #expect(crowd.refusals > 0, "it never came to a limit")
    }
}
