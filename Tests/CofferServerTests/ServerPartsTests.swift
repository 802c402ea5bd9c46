import CofferCore
@testable import CofferServer
import Synchronization
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

    /// By uid and in all, for as long as somebody has the work in hand.
    @Test func countsWorkUntilItIsDone() throws {
        let ledger = UIDLedger(limits: limits {
            $0.callsPerUID = 3
            $0.calls = 4
        })
        var first: [CallWork] = [try ledger.beginWork(.read, uid: 1, weight: 2), try ledger.beginWork(.read, uid: 1, weight: 1)]
        #expect(throws: Failure.self) { try ledger.beginWork(.read, uid: 1, weight: 1) }
        let second = try ledger.beginWork(.read, uid: 2, weight: 1)
        #expect(throws: Failure.self) { try ledger.beginWork(.read, uid: 2, weight: 1) }
        // To stop it frees nothing: who works on it has it still.
        first[0].stop()
        #expect(ledger.work == 4)
        first.removeFirst()
        #expect(ledger.work == 2)
        let third = try ledger.beginWork(.read, uid: 2, weight: 2)
        withExtendedLifetime((first, second, third)) { #expect(ledger.work == 4) }
    }

    /// What counts for more than there may be is taken when there is nothing else.
    @Test func whatIsTooHeavyIsTakenAlone() throws {
        let ledger = UIDLedger(limits: limits { $0.callsPerUID = 3 })
        let heavy = try ledger.beginWork(.read, uid: 1, weight: 33)
        #expect(throws: Failure.self) { try ledger.beginWork(.read, uid: 1, weight: 1) }
        withExtendedLifetime(heavy) { #expect(ledger.work == 3) }
    }

    @Test func healthGoesASixteenthBeyondTheLimits() throws {
        let ledger = UIDLedger(limits: limits { $0.callsPerUID = 16 })
        let full = try ledger.beginWork(.read, uid: 1, weight: 16)
        let health = try ledger.beginWork(.health, uid: 1, weight: 1)
        #expect(throws: Failure.self) { try ledger.beginWork(.health, uid: 1, weight: 1) }
        withExtendedLifetime((full, health)) { #expect(ledger.work == 17) }
    }

    @Test func lowerLimitsLeaveWhatIsOpenAndHoldForWhatComes() throws {
        let ledger = UIDLedger(limits: ServerLimits())
        #expect(ledger.openConnection(uid: 1))
        #expect(ledger.openConnection(uid: 1))
        let work = try ledger.beginWork(.read, uid: 1, weight: 3)
        ledger.limits = limits {
            $0.connections = 1
            $0.callsPerUID = 2
        }
        #expect(ledger.connections == 2 && ledger.work == 3)
        #expect(!ledger.openConnection(uid: 2))
        #expect(throws: Failure.self) { try ledger.beginWork(.read, uid: 1, weight: 1) }
        ledger.limits = limits { $0.connections = 3 }
        #expect(ledger.openConnection(uid: 2))
        withExtendedLifetime(work) { #expect(throws: Never.self) { try ledger.beginWork(.read, uid: 1, weight: 1) } }
    }

    @Test func workIsStoppedOnceAndAtOnceIfItWasStopped() throws {
        let ledger = UIDLedger(limits: ServerLimits())
        let stops = Mutex(0)
        for order in 0..<2 {
            let work = try ledger.beginWork(.read, uid: 1, weight: 1)
            if order == 1 { work.stop() }
            work.onStop { stops.withLock { $0 += 1 } }
            if order == 0 { work.stop() }
            work.stop()
            #expect(stops.withLock { $0 } == order + 1)
        }
    }
}

@Suite struct PageTokensTests {
    private let tokens = PageTokens(random: SystemRandom())

    /// AWS's cursors are the longest that a vault gives: the service's token, of up to 4 KiB.
    @Test(arguments: [[], [0], [0xFF, 0x10, 0x0A], Array(repeating: 7, count: 64), Array(repeating: 0xFE, count: 4_200)]
        as [[UInt8]], [nil, "", "ann", "\u{E9}"])
    func roundTrip(cursor: [UInt8], user: String?) throws {
        let token = tokens.encode(cursor, user: user)
        #expect(try tokens.decode(token, user: user) == cursor)
        #expect(token.utf8.count <= PageTokens.maximumBytes)
    }

    @Test func theEmptyTokenIsTheFirstPage() throws { #expect(try tokens.decode("", user: nil) == nil) }

    @Test func noneOfAnotherListingOrProcessIsTaken() throws {
        let token = tokens.encode([1, 2, 3], user: "ann")
        for user in [nil, "", "ann2", "an", "e\u{301}"] as [String?] { try refuse(token, user) }
        let twin = tokens.encode([1, 2, 3], user: "\u{E9}")
        try refuse(twin, "e\u{301}")
        try refuse(PageTokens(random: SystemRandom()).encode([1, 2, 3], user: "ann"), "ann")
        // A user's name does not pass for a part of a cursor.
        try refuse(tokens.encode([], user: "ann1"), "ann")
    }

    @Test func noForgedTokenIsTaken() throws {
        let token = Array(tokens.encode([1, 2, 3, 4, 5], user: nil).utf8)
        for index in token.indices {
            for other in "Ab9-_=.+/ " where UInt8(ascii: other.unicodeScalars.first!) != token[index] {
                var forged = token
                forged[index] = UInt8(ascii: other.unicodeScalars.first!)
                try refuse(String(decoding: forged, as: UTF8.self), nil)
            }
            try refuse(String(decoding: token[..<index], as: UTF8.self) + (index == 0 ? "A" : ""), nil)
        }
        for text in ["0", "é", String(repeating: "A", count: 8_192), String(repeating: "A", count: 8_193)] {
            try refuse(text, nil)
        }
    }

    private func refuse(_ token: String, _ user: String?, _ location: SourceLocation = #_sourceLocation) throws {
        let failure = #expect(throws: Failure.self, sourceLocation: location) { try tokens.decode(token, user: user) }
        #expect(failure?.code == .invalidArgument && failure?.reason == .badField, sourceLocation: location)
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
