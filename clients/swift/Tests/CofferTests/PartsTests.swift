import FoundationEssentials
import Testing

@testable import Coffer

@Suite("The parts below, without a socket")
struct PartsTests {
    private static func frame(_ call: UInt64, _ payload: [UInt8]) -> [UInt8] {
        FakePeer.frame(FrameHeader(.response, callID: call, payloadBytes: payload.count), payload)
    }

    @Test("Frames come out whole, however their bytes come in", arguments: [1, 7, 24, 1_000, 1 << 20])
    func frameReader(pieceBytes: Int) throws {
        let payloads = [[], [1, 2, 3], [UInt8](repeating: 7, count: 70_000), [9]]
        let bytes = payloads.enumerated().flatMap { Self.frame(UInt64($0), $1) }
        var reader = FrameReader(maximumFrameBytes: 80_000)
        var taken: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(pieceBytes)
            let count = reader.append { (memory) -> Int? in
                let part = piece.prefix(memory.count)
                memory.copyBytes(from: part)
                return part.count
            }
            rest = rest.dropFirst(try #require(count))
            while let (header, frame) = try reader.next() {
                #expect(header.callID == UInt64(taken.count))
                taken.append(frame.withUnsafeBytes { Array($0) })
            }
        }
        #expect(taken == payloads)
    }

    @Test func headerOnTheWire() {
        let header = FrameHeader(
            .request, callID: 0x0102_0304_0506_0708, flags: 0, methodOrStatus: 0xCCD8_38EC,
            timeoutOrRetry: 5_000, payloadBytes: 10)
        let bytes = FakePeer.frame(header)
        #expect(
            bytes == [
                0, 0, 0, 30, 1, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0xCC, 0xD8, 0x38, 0xEC, 0, 0, 0x13, 0x88,
            ])
        #expect(bytes.withUnsafeBytes { FrameHeader(loading: $0) } == header)
    }

    @Test func queueKeepsOrderAndKnowsWhatIsOut() {
        var queue = OutboundQueue()
        for call in 1...3 as ClosedRange<UInt64> {
            queue.append(Frame(FrameHeader(.request, callID: call)), startingCall: call)
        }
        var completed: [UInt64] = []
        var room = 30
        queue.flush { (bytes) throws(Never) in
            let count = min(room, bytes.count)
            room -= count
            return count
        } completed: { completed.append($0) }
        #expect(completed == [1])
        #expect(queue.byteCount == 42)
        // The second is partly sent; the third can be taken back, once.
        let removed = [2, 3, 3].map { queue.remove(call: $0) }
        #expect(removed == [false, true, false])
        let unsent = queue.removeUnsentCalls()
        #expect(unsent.isEmpty)
        queue.flush { (bytes) throws(Never) in bytes.count } completed: { completed.append($0) }
        #expect(completed == [1, 2])
        #expect(queue.isEmpty && queue.byteCount == 0)
    }

    @Test func unsentCallsComeBackFromTheQueue() {
        var queue = OutboundQueue()
        for call in 1...3 as ClosedRange<UInt64> {
            queue.append(Frame(FrameHeader(.request, callID: call)), startingCall: call)
        }
        queue.append(Frame(FrameHeader(.cancel, callID: 9)), startingCall: nil)
        let wanted = queue.removeUnsentCalls { $0 == 2 || $0 == 7 }
        #expect(wanted == [2])
        #expect(queue.byteCount == 72)
        let unsent = queue.removeUnsentCalls()
        #expect(unsent == [1, 3])
        #expect(queue.byteCount == 24)
    }

    @Test func waitsDoubleUpToTheirBound() throws {
        var reconnector = Reconnector(window: .seconds(2))
        let now = ContinuousClock.now
        var bounds: [Duration] = []
        for _ in 0..<10 {
            let retryAt = reconnector.failed(.busy, at: now, lostAt: nil, chance: { 1 })
            bounds.append(try #require(retryAt) - now)
        }
        #expect(bounds.prefix(3) == [.milliseconds(10), .milliseconds(20), .milliseconds(40)])
        #expect(bounds.last == .seconds(1))
        let quarter = reconnector.failed(.busy, at: now, lostAt: nil, chance: { 0.25 })
        #expect(quarter == now + .milliseconds(250))
        reconnector.succeeded()
        #expect(reconnector.retryAt == nil)
        let first = reconnector.failed(.busy, at: now, lostAt: nil, chance: { 1 })
        #expect(first == now + .milliseconds(10))
    }

    @Test func anAbsentDaemonIsWaitedForInsideTheWindowOnly() {
        let now = ContinuousClock.now
        func retry(_ failure: Reconnector.Failure, lostAt: ContinuousClock.Instant?) -> ContinuousClock.Instant? {
            var reconnector = Reconnector(window: .seconds(2))
            return reconnector.failed(failure, at: now, lostAt: lostAt, chance: { 1 })
        }
        #expect(retry(.absent, lostAt: nil) == nil)
        #expect(retry(.absent, lostAt: now - .seconds(1)) != nil)
        #expect(retry(.absent, lostAt: now - .seconds(2)) == nil)
        #expect(retry(.hopeless, lostAt: now) == nil)
    }

    @Test func aCallIsMadeAgainAtOnceAndThenAfterGrowingWaits() throws {
        var retry = Retry(CofferCallOptions(), window: .seconds(2))
        let start = ContinuousClock.now
        let unsent = ConnectionLost(cause: .connectionLost, mayHaveBeenSent: false)
        let waits = try (0..<7).map { _ in
            try retry.next(after: unsent, at: start, deadline: start + .seconds(9), chance: 1) - start
        }
        #expect(waits == [0, 10, 20, 40, 80, 100, 100].map { .milliseconds($0) })
        // Not past its own time, and not past the window.
        for (now, deadline) in [(start, start + .milliseconds(100)), (start + .seconds(2), start + .seconds(9))] {
            var late = retry
            #expect(throws: CofferError.self) { try late.next(after: unsent, at: now, deadline: deadline, chance: 1) }
        }
    }

    @Test func whatIsMadeAgainIsWhatMayPassAndWasNotCarriedOut() {
        let now = ContinuousClock.now
        func repeats(_ error: any Error, isRepeatable: Bool = false) -> Int {
            var retry = Retry(CofferCallOptions(isRepeatable: isRepeatable), window: .seconds(2))
            return (0..<4).prefix { _ in
                (try? retry.next(after: error, at: now, deadline: now + .seconds(1), chance: 0)) != nil
            }.count
        }
        let sent = ConnectionLost(cause: .connectionLost, mayHaveBeenSent: true)
        #expect(repeats(sent) == 0)
        #expect(repeats(sent, isRepeatable: true) == 4)
        let broken = CofferError.protocolViolation("a frame of version 2")
        #expect(repeats(ConnectionLost(cause: broken, mayHaveBeenSent: false)) == 1)
        #expect(repeats(ConnectionLost(cause: .clientClosed, mayHaveBeenSent: false)) == 0)
        #expect(repeats(ConnectionLost(cause: .connectionLost, mayHaveBeenSent: false, wasTurnedAway: true)) == 0)
        #expect(repeats(CofferError(.unavailable, .draining, "")) == 4)
        #expect(repeats(CofferError(.unavailable, .draining, "", mayHaveHappened: true)) == 0)
        #expect(repeats(CofferError(.unavailable, .vaultUnreachable, "")) == 0)
    }

    @Test(arguments: [
        (0, [:], [], "/run/coffer/coffer.sock"),
        (0, [:], ["/run/user/0"], "/run/coffer/coffer.sock"),
        (7, [:], ["/run/user/7"], "/run/user/7/coffer/coffer.sock"),
        (7, [:], ["/run/user/8"], "/tmp/coffer-7/coffer.sock"),
        (7, ["XDG_RUNTIME_DIR": "/x"], ["/run/user/7"], "/x/coffer/coffer.sock"),
        (7, ["XDG_RUNTIME_DIR": "x"], [], "/tmp/coffer-7/coffer.sock"),
        (7, ["XDG_RUNTIME_DIR": "", "COFFER_SOCKET": ""], ["/run/user/7"], "/run/user/7/coffer/coffer.sock"),
        (0, ["XDG_RUNTIME_DIR": "/x", "COFFER_SOCKET": "s"], [], "s"),
    ] as [(UInt32, [String: String], [String], String)])
    func socketOfTheRule(user: UInt32, environment: [String: String], folders: [String], expected: String) {
        let rule = SocketRule(userID: user, variable: { environment[$0] }, isOwnFolder: { folders.contains($0) })
        #expect(rule.path == expected)
    }

    @Test func aCredentialShowsItsSizeOnly() {
        let credential = Credential("hunter2".utf8)
        #expect("\(credential)" == "<credential, 7 bytes>")
        #expect(String(reflecting: credential) == "<credential, 7 bytes>")
        var dumped = ""
        dump(credential, to: &dumped)
        #expect(!dumped.contains("hunter2"))
        #expect(credential.withBytes { $0.byteCount } == 7)
        #expect(credential == Credential("hunter2".utf8))
        #expect(credential != Credential("hunter3".utf8))
        #expect(credential != Credential("hunter".utf8))
    }

    @Test func messagesAreOverwrittenWhenTheirSecretIsTaken() {
        var response = Coffer_V1_GetResponse()
        response.credential.append(contentsOf: [UInt8](repeating: 0x5A, count: 100))
        let address = response.credential.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        let credential = Credential(consuming: &response.credential)
        #expect(credential == Credential([UInt8](repeating: 0x5A, count: 100)))
        response.credential.withUnsafeBytes {
            #expect(UInt(bitPattern: $0.baseAddress) == address, "in place")
            #expect($0.allSatisfy { $0 == 0 })
        }
    }

    @Test func errorsReadWell() {
        let error = CofferError(.notFound, .notFound, "there is no record", vault: "main")
        #expect("\(error)" == "NOT_FOUND: there is no record (vault main)")
        #expect(CofferError.connectionLost.told(mayHaveBeenSent: false, mayWrite: true).message.hasSuffix("was not sent"))
    }
}
