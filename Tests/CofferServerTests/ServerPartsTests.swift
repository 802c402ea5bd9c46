import CofferCore
@testable import CofferServer
import Testing

@Suite struct DrainTests {
    @Test func takesItsStepsInOrderAndEachOnce() {
        let start = BootInstant(nanoseconds: 1_000_000_000)
        var drain = Drain(start: start, seconds: 4)
        #expect(drain.step(now: start) == .wait)
        #expect(drain.step(now: start + .seconds(1)) == .stopReading)
        #expect(drain.step(now: start + .seconds(2)) == .wait)
        // A late wake-up skips nothing: the step comes with the next turn.
        #expect(drain.step(now: start + .seconds(9)) == .refuseWaiting)
        #expect(drain.step(now: start + .seconds(9)) == .wait)
        #expect(drain.end == start + .seconds(4))
    }
}

@Suite struct UIDLedgerTests {
    private func limits(_ change: (inout ServerLimits) -> Void) -> ServerLimits {
        var limits = ServerLimits()
        change(&limits)
        return limits
    }

    @Test func countsConnectionsInAllAndByUID() {
        let ledger = UIDLedger(limits: limits {
            $0.connections = 3
            $0.connectionsPerUID = 2
        })
        #expect(ledger.openConnection(uid: 1))
        #expect(ledger.openConnection(uid: 1))
        #expect(!ledger.openConnection(uid: 1))
        #expect(ledger.openConnection(uid: 2))
        #expect(!ledger.openConnection(uid: 3))
        ledger.closeConnection(uid: 1)
        #expect(ledger.openConnection(uid: 3))
        #expect(ledger.connections == 3)
    }

    @Test func countsCallsByUID() {
        let ledger = UIDLedger(limits: limits { $0.callsPerUID = 2 })
        #expect(ledger.openConnection(uid: 1))
        #expect(ledger.beginCall(uid: 1))
        #expect(ledger.beginCall(uid: 1))
        #expect(!ledger.beginCall(uid: 1))
        #expect(ledger.beginCall(uid: 2))
        ledger.endCalls(uid: 1, 2)
        #expect(ledger.beginCall(uid: 1))
        #expect(ledger.calls == 2)
    }
}

@Suite struct PageTokenTests {
    @Test(arguments: [[], [0], [0xFF, 0x10, 0x0A], Array(repeating: 7, count: 64)] as [[UInt8]])
    func roundTrips(cursor: [UInt8]) throws {
        let decoded = try PageToken.decode(PageToken.encode(cursor))
        #expect(decoded == (cursor.isEmpty ? nil : cursor))
    }

    @Test(arguments: ["0", "0g", "AB", "é", " 00", String(repeating: "00", count: 257)])
    func refuses(token: String) {
        #expect(throws: Failure.self) { try PageToken.decode(token) }
    }
}

@Suite struct TextAnswerTests {
    /// The length that the head announces is the length that follows it.
    @Test func theHTTPAnswerIsWellFormed() throws {
        var text = ""
        TextAnswer.http.withUTF8Buffer { text = String(decoding: $0, as: UTF8.self) }
        let head = try #require(text.firstRange(of: "\r\n\r\n"))
        let length = try #require(text.firstMatch(of: /Content-Length: (\d+)/)?.1)
        #expect(text[head.upperBound...].utf8.count == Int(length))
        #expect(text.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
    }
}
