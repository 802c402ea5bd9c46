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

@Suite struct VaultStatusTests {
    private let log = LogLines()

    private func status(checksWrites: Bool = false) -> VaultStatus {
        VaultStatus(vault: "v", checksWrites: checksWrites, clock: FixedClock(), log: log.logger)
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

    @Test func anyCallThatWorksEndsAnOutage() {
        let status = status()
        status.noteFailure(away, .write)
        status.noteSuccess(.read)
        #expect(log.all.last == "vault recovered vault=v")
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
