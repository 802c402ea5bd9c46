import CofferAccess
import CofferCache
import CofferCore
import CofferWire
import Testing

@testable import CofferServer

/// Deadlines on the whole way through a reactor, with a clock that moves by hand.
@Suite struct CallDeadlineTests {
    private let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 4_096, alignment: 16)
    private let tasks = TaskQueue()

    /// A client may give a call the id of one that has ended: the time of that one
    /// is not its own.
    @Test func anIDUsedAgainHasItsOwnDeadline() throws {
        defer { scratch.deallocate() }
        let service = try Service(
            limits: ServerLimits(), cache: CacheConfiguration(maximumBytes: 1 << 20, ttlMilliseconds: 0))
        service.vault.reset(seed: 1, fails: false, holds: true)
        let (server, client) = Client.pair(scratch: scratch)
        #expect(service.ledger.openConnection(uid: Service.owner))
        service.reactor.adopt(server, Peer(uid: Service.owner, gid: 0, pid: 1))
        var seen: [[UInt32]] = []
        tasks.claim(seed: 1) {
            ask(client, callID: 7, milliseconds: 100)
            settle(service)
            service.vault.answer()
            seen.append(statuses(service, client))
            service.clock.advance(byMilliseconds: 60)
            ask(client, callID: 7, milliseconds: 10_000)
            settle(service)
            // The first would be over now.
            service.clock.advance(byMilliseconds: 60)
            seen.append(statuses(service, client))
            service.vault.answer()
            seen.append(statuses(service, client))
            // And the deadline that is its own ends a call.
            ask(client, callID: 7, milliseconds: 200)
            settle(service)
            service.clock.advance(byMilliseconds: 201)
            seen.append(statuses(service, client))
            service.vault.answer()
            settle(service)
        }
        let (absent, late) = (StatusCode.notFound.rawValue, StatusCode.deadlineExceeded.rawValue)
        #expect(seen == [[absent], [absent], [absent, absent], [absent, absent, late]])
    }

    private func ask(_ client: Client, callID: UInt64, milliseconds: UInt32) {
        let request: [UInt8] = [0x0a, 1, 0x75, 0x12, 1, 0x63]
        var frame = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        frame.withUnsafeMutableBytes {
            FrameHeader(
                kind: .request, callID: callID, methodOrStatus: CredentialsMethod.get.rawValue,
                timeoutOrRetry: milliseconds, payloadBytes: request.count
            ).store(to: $0.baseAddress!)
        }
        frame += request
        #expect(frame.withUnsafeBytes { client.send($0) } == .bytes(frame.count))
    }

    private func settle(_ service: Service) {
        for _ in 0..<8 {
            service.reactor.turn(waiting: 0)
            tasks.runAll()
        }
    }

    /// Those of all answers so far.
    private func statuses(_ service: Service, _ client: Client) -> [UInt32] {
        settle(service)
        client.receive()
        return client.received.withUnsafeBytes { bytes in
            var statuses: [UInt32] = []
            var position = 0
            while position < bytes.count {
                let header = FrameHeader(loading: bytes.baseAddress! + position)
                statuses.append(header.methodOrStatus)
                position += 4 + Int(header.length)
            }
            return statuses
        }
    }
}
