import CofferCore
import CofferWire
import Logging
import Synchronization
import Testing

@testable import CofferServer

/// The lines of a log, without their levels.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    private struct Handler: LogHandler {
        let owner: LogLines
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let fields = (event.metadata ?? [:]).sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }
            owner.lines.withLock { $0.append("\(event.message)" + fields.joined()) }
        }
    }

    var logger: Logger { Logger(label: "test") { _ in Handler(owner: self) } }
    var all: [String] { lines.withLock { $0 } }
}

private struct FixedClock: Clock {
    var boot = BootInstant(nanoseconds: 1_000_000_000)
    var wall: WallMilliseconds = 1_700_000_000_000
}

/// A clock that stands still until it is told to go on.
private final class SteppedClock: Clock {
    private let seconds = Mutex<UInt64>(1)

    var boot: BootInstant { BootInstant(nanoseconds: seconds.withLock { $0 * 1_000_000_000 }) }
    var wall: WallMilliseconds { 1_700_000_000_000 + seconds.withLock { $0 * 1_000 } }

    func advance(seconds more: UInt64) { seconds.withLock { $0 += more } }
}

@Suite struct VaultStatusTests {
    private let log = LogLines()

    private func status(checksWrites: Bool = false, localReads: Bool = false) -> VaultStatus {
        VaultStatus(vault: "v", checksWrites: checksWrites, localReads: localReads, clock: FixedClock(), log: log.logger)
    }

    private func lastGoodContact(_ status: VaultStatus) -> WallMilliseconds {
        var health = CofferWire.VaultHealth(name: "v", kind: "vault")
        status.describe(in: &health)
        return health.lastGoodContact
    }

    private let fullDisk = Failure(.resourceExhausted, .disk, "full", vault: "v")
    private let denied = Failure(.permissionDenied, .vaultRefused, "policy", vault: "v")
    private let away = Failure(.unavailable, .vaultUnreachable, "away", vault: "v")

    @Test func readsDoNotEndAFailureOfWrites() {
        for failure in [fullDisk, denied] {
            let status = status()
            let before = log.all.count
            for _ in 0..<3 {
                status.noteFailure(failure, .write)
                status.noteSuccess(.read)
                status.noteSuccess(.list)
            }
            #expect(log.all.count == before + 1)
            status.noteSuccess(.write)
            #expect(log.all.count == before + 2)
            #expect(log.all.last == "vault recovered vault=v")
        }
    }

    /// The breaker learns nothing from it; for Health it is the failure that it was.
    @Test(arguments: [
        Failure(.unavailable, .vaultUnreachable, "away", vault: "v"), Failure(.internal, .vaultFailed, "odd", vault: "v"),
        Failure(.failedPrecondition, .vaultRefused, "no such namespace", vault: "v"),
    ])
    func aRememberedFailureOfACheckIsAnOutage(failure: Failure) {
        let status = status()
        status.noteFailure(failure.remembered, .check)
        #expect(log.all.first?.hasPrefix("vault unavailable") == true)
    }

    /// Health shows the newer cause, so the log has to; but no line for each call where two causes take turns.
    @Test func anotherCauseOfAnOutageIsLoggedOnceAMinute() {
        let clock = SteppedClock()
        let status = VaultStatus(vault: "v", checksWrites: false, clock: clock, log: log.logger)
        let refused = Failure(.unauthenticated, .vaultRefused, "login refused", vault: "v")
        status.noteFailure(away, .read)
        status.noteFailure(refused, .read)
        #expect(log.all.count == 2)
        #expect(
            log.all.last
                == "vault unavailable for another cause cause=login refused reason=VAULT_REFUSED status=UNAUTHENTICATED vault=v")
        for _ in 0..<100 {
            status.noteFailure(away, .read)
            status.noteFailure(refused, .read)
        }
        #expect(log.all.count == 2)
        clock.advance(seconds: 60)
        status.noteFailure(refused, .read)
        #expect(log.all.count == 2, "the cause that was logged last is told again")
        status.noteFailure(away, .read)
        #expect(log.all.count == 3 && log.all.last?.contains("cause=away") == true)
        // The next outage begins anew.
        status.noteSuccess(.read)
        status.noteFailure(refused, .read)
        status.noteFailure(away, .read)
        #expect(log.all.count == 6)
    }

    /// A cause is the same one however long it lasts by now.
    @Test func aNumberInAMessageIsNoOtherCause() {
        let status = status()
        for seconds in 1...20 { status.noteFailure(.silent(vault: "v", milliseconds: UInt64(seconds) * 1_000), .check) }
        #expect(log.all.count == 1)
    }

    @Test func anyCallThatWorksEndsAnOutage() {
        let status = status()
        status.noteFailure(away, .write)
        status.noteSuccess(.read)
        #expect(log.all.last == "vault recovered vault=v")
    }

    /// They work while the server refuses every login: only what it has answered shows that it is well again.
    @Test(arguments: [VaultStatus.Work.read, .list])
    func readsThatAskNoServerEndNoOutage(work: VaultStatus.Work) {
        for failure in [away, denied] {
            let (status, before) = (status(localReads: true), log.all.count)
            status.noteFailure(failure, .check)
            status.begin(work)
            status.end(work)
            status.noteSuccess(work)
            #expect(lastGoodContact(status) == 0 && log.all.count == before + 1)
            status.noteFailure(failure, .check)
            #expect(log.all.count == before + 1, "it is told once")
            status.noteSuccess(.check)
            #expect(log.all.last == "vault recovered vault=v")
            #expect(lastGoodContact(status) > 0 && status.calls == 5)
        }
    }

    /// A write that hung is unanswered, whatever reads find here meanwhile.
    @Test(arguments: [(false, 0), (true, 2_000)])
    func readsThatAskNoServerEndNoSilence(localReads: Bool, milliseconds: UInt64) {
        let status = status(localReads: localReads)
        status.begin(.write)
        status.end(.write, .deadlineExceeded(vault: "v"))
        status.begin(.read)
        status.end(.read)
        #expect(status.silence(at: FixedClock().boot + .seconds(2)) == milliseconds)
    }

    @Test func aCheckThatWritesEndsAFailureOfWrites() {
        let own = status(checksWrites: true)
        own.noteFailure(fullDisk, .write)
        own.noteSuccess(.check)
        #expect(log.all.last == "vault recovered vault=v")
        let remote = status()
        remote.noteFailure(denied, .write)
        remote.noteSuccess(.check)
        #expect(log.all.last?.hasPrefix("vault unavailable") == true)
    }

    private func writes(_ status: VaultStatus) -> (CofferWire.VaultHealth.Writes, Failure.Reason) {
        var health = CofferWire.VaultHealth(name: "v", kind: "vault")
        status.describe(in: &health)
        return (health.writes, health.writeFailure)
    }

    @Test func writesAreUnknownUntilOneHasEnded() {
        let status = status()
        status.noteSuccess(.read)
        status.noteSuccess(.check)
        #expect(writes(status) == (.unspecified, .unspecified))
        status.noteSuccess(.write)
        #expect(writes(status) == (.work, .unspecified))
        let own = self.status(checksWrites: true)
        own.noteSuccess(.check)
        #expect(writes(own) == (.work, .unspecified))
    }

    @Test func writesThatAreRefusedFailUntilOneSucceeds() {
        for failure in [denied, fullDisk] {
            let status = status()
            status.noteFailure(failure, .write)
            status.noteSuccess(.read)
            status.noteSuccess(.check)
            #expect(writes(status) == (.fail, failure.reason))
            status.noteFailure(Failure(.aborted, .versionMismatch, "other version", vault: "v"), .write)
            #expect(writes(status) == (.fail, failure.reason), "a look at the record is no right to write it")
            status.noteSuccess(.write)
            #expect(writes(status) == (.work, .unspecified))
        }
    }

    @Test func afterAnOutageWritesAreUnknownUntilOneSucceeds() {
        let status = status()
        status.noteSuccess(.write)
        status.noteFailure(away, .write)
        #expect(writes(status) == (.fail, .vaultUnreachable))
        status.noteSuccess(.check)
        #expect(writes(status) == (.unspecified, .unspecified), "a read shows nothing of writes")
        status.noteSuccess(.write)
        #expect(writes(status) == (.work, .unspecified))
    }

    @Test func aCheckThatWritesShowsThatWritesFail() {
        let own = status(checksWrites: true)
        own.noteSuccess(.write)
        own.noteFailure(fullDisk, .check)
        #expect(writes(own) == (.fail, .disk))
        own.noteSuccess(.read)
        #expect(writes(own) == (.fail, .disk))
        own.noteSuccess(.check)
        #expect(writes(own) == (.work, .unspecified))
    }

    @Test func oneRecordAndTheRateOfCallsFailNoOtherWrite() {
        let ofOne = [
            Failure(.invalidArgument, .vaultRefused, "a parameter", vault: "v"),
            Failure(.aborted, .vaultRefused, "written by others", vault: "v"),
            Failure(.resourceExhausted, .vaultRefused, "a quota", vault: "v"),
            Failure(.resourceExhausted, .limit, "the rate", vault: "v"),
            Failure(.unavailable, .draining, "stopping", vault: "v"),
        ]
        for failure in ofOne {
            let status = status()
            status.noteFailure(failure, .write)
            #expect(writes(status) == (.unspecified, .unspecified), "\(failure)")
        }
    }

    /// A rule for one record, or the short time that a caller gave, is no outage.
    @Test func whatOneCallAloneHasMetIsNoOutage() {
        var hurried = Failure.deadlineExceeded(vault: "v")
        hurried.hadLittleTime = true
        let ofOne = [denied, Failure(.invalidArgument, .vaultRefused, "a parameter", vault: "v"), hurried]
        for failure in ofOne {
            let log = LogLines()
            let status = VaultStatus(vault: "v", checksWrites: false, clock: FixedClock(), log: log.logger)
            for _ in 0..<3 { status.noteFailure(failure, .read) }
            status.noteSuccess(.read)
            #expect(!log.all.contains { $0.hasPrefix("vault unavailable") || $0.hasPrefix("vault recovered") }, "\(failure)")
            #expect(log.all.count == (failure == hurried ? 0 : 1), "\(log.all)")
            #expect(status.failures == 3)
        }
        let status = status()
        status.noteFailure(hurried, .write)
        #expect(log.all.isEmpty)
        #expect(writes(status) == (.unspecified, .unspecified))
        status.noteFailure(.deadlineExceeded(vault: "v"), .write)
        #expect(log.all.last?.hasPrefix("vault unavailable") == true)
    }

    /// Logs, the protocol and the programs name a reason alike.
    @Test func aReasonIsLoggedByItsName() {
        status().noteFailure(away, .read)
        #expect(
            log.all == ["vault unavailable cause=away reason=VAULT_UNREACHABLE status=UNAVAILABLE vault=v"])
    }

    @Test func whatNeverReachedTheVaultIsNoContact() {
        let status = status()
        for reason in [Failure.Reason.badField, .credentialTooLarge, .notSupported, .cancelled] {
            status.noteFailure(Failure(.invalidArgument, reason, "ours", vault: "v"), .write)
        }
        for failure in [denied, away, fullDisk] { status.noteFailure(failure, .check) }
        #expect(lastGoodContact(status) == 0)
        status.noteFailure(Failure(.aborted, .versionMismatch, "other version", vault: "v"), .write)
        #expect(lastGoodContact(status) == FixedClock().wall)
    }
}
