import CofferCore
import CofferCrypto
import CofferVault
import CofferWire
import Synchronization
import Testing

@testable import CofferCrypto
@testable import CofferServer

@Suite struct DoctorTests {
    private let vault = FlawedVault()

    private var records: RecordStore {
        let term = KeyTerm(id: 1, name: "test", state: .active, createdAt: 1, key: Self.secret(byte: 3))
        return RecordStore(
            vault: vault, keys: KeyRing(base: Self.secret(byte: 5), terms: [term]), environment: "test",
            clock: vault, random: SystemRandom())
    }

    private func examine(milliseconds: Int64 = 8_000, checksWrites: Bool = false) async -> [DoctorStep] {
        let doctor = Doctor(
            records: records, advice: .local, checksWrites: checksWrites, clock: vault, random: SystemRandom())
        return await doctor.examine(deadline: vault.boot + .milliseconds(milliseconds))
    }

    private static func secret(byte: UInt8) -> Secret {
        Secret(count: 32) { $0.initializeMemory(as: UInt8.self, repeating: byte) }
    }

    private func outcomes(_ steps: [DoctorStep]) -> [DoctorStep.Outcome] { steps.map(\.outcome) }

    @Test func aVaultThatWorksPassesEveryStep() async {
        let steps = await examine()
        #expect(steps.map(\.action) == [.store, .get, .compare, .delete])
        #expect(outcomes(steps) == [.done, .done, .done, .done])
        #expect(steps.map(\.durationMicroseconds) == [1_000, 1_000, 0, 1_000])
        #expect(steps.map(\.advice) == ["", "", "", ""])
        #expect(vault.users == ["coffer-doctor"])
        #expect(vault.count == 0)
    }

    @Test func eachExaminationHasItsOwnRecord() async {
        _ = await examine()
        _ = await examine()
        #expect(vault.connections.count == 2)
    }

    @Test func aStoreThatMayHaveHappenedIsDeleted() async {
        let failure = Failure.deadlineExceeded(vault: "flawed")
        vault.flaw = .writes(failure, isDone: true)
        #expect(outcomes(await examine()) == [.failed(failure), .skipped, .skipped, .done])
        #expect(vault.count == 0)
    }

    @Test func aStoreThatSurelyDidNotHappenLeavesNothingToDelete() async {
        let failure = Failure(.unavailable, .vaultUnreachable, "cannot connect", vault: "flawed", isUnsent: true)
        vault.flaw = .writes(failure, isDone: false)
        let steps = await examine()
        #expect(outcomes(steps) == [.failed(failure), .skipped, .skipped, .skipped])
        #expect(vault.removals == 0)
        #expect(
            steps.first?.advice
                == "Check the data folder, and look at the daemon's log."
        )
    }

    /// Nor does a refusal, which the vault surely said instead.
    @Test func aRefusedStoreLeavesNothingToDelete() async {
        let failure = Failure(.permissionDenied, .vaultRefused, "refused", vault: "flawed")
        vault.flaw = .writesAndRemoves(failure)
        let steps = await examine()
        #expect(outcomes(steps) == [.failed(failure), .skipped, .skipped, .skipped])
        #expect(vault.removals == 0)
        #expect(steps.map(\.advice) == ["Check the owner and the mode of the data folder.", "", "", ""])
    }

    @Test func aRecordThatIsNotThereIsAFault() async {
        vault.flaw = .forgets
        #expect(
            outcomes(await examine()) == [
                .done, .failed(broken("the vault accepted the test record and does not return it")), .skipped,
                .failed(broken("the vault accepted the test record and had none to delete")),
            ])
    }

    @Test func anotherRecordThanWasStoredIsAFault() async {
        let other = records
        vault.flaw = .isOvertaken { key in
            _ = try? await other.write(
                key, credential: Self.secret(byte: 1), labels: [:], ttlSeconds: 0, condition: .none,
                deadline: BootInstant(nanoseconds: .max))
        }
        #expect(
            outcomes(await examine()) == [
                .done, .done, .failed(broken("the vault returned another record than was stored")), .done,
            ])
        #expect(vault.count == 0)
    }

    @Test func aRecordThatCannotBeDeletedIsSaidToBeThere() async throws {
        let failure = Failure(.permissionDenied, .vaultRefused, "refused", vault: "flawed")
        vault.flaw = .removes(failure)
        let steps = await examine()
        #expect(outcomes(steps) == [.done, .done, .done, .failed(failure)])
        let advice = try #require(steps.last?.advice)
        #expect(
            advice
                == "Check the owner and the mode of the data folder. The test record of the user coffer-doctor may still be in the vault; delete it there."
        )
    }

    /// Store and get end early enough for the record to be deleted, and that for the answer to be told.
    @Test func eachStepHasItsShareOfTheTime() async {
        _ = await examine(milliseconds: 8_000)
        #expect(vault.deadlines == [6_000, 6_000, 7_000])
    }

    @Test func adviceOfACauseIsGivenOnce() async {
        let failure = Failure(.permissionDenied, .vaultRefused, "refused", vault: "flawed", mayHaveWritten: true)
        vault.flaw = .writesAndRemoves(failure)
        let steps = await examine()
        #expect(outcomes(steps) == [.failed(failure), .skipped, .skipped, .failed(failure)])
        #expect(
            steps.map(\.advice) == [
                "Check the owner and the mode of the data folder.", "", "",
                "The test record of the user coffer-doctor may still be in the vault; delete it there.",
            ])
    }

    /// A disk that is full may have room for the test record, and Health says that Stores fail.
    @Test func aVaultWithoutRoomForLargerRecordsDoesNotStore() async {
        let failure = Failure(.resourceExhausted, .disk, "full", vault: "flawed")
        vault.flaw = .checks(failure)
        let steps = await examine(checksWrites: true)
        #expect(outcomes(steps) == [.failed(failure), .done, .done, .done])
        #expect(steps.first?.advice == "Check that the disk of the data folder has room, and look at the kernel's log.")
        #expect(vault.count == 0)
        // The check of a vault on another host writes nothing: it would say nothing of Stores.
        #expect(outcomes(await examine()) == [.done, .done, .done, .done])
    }

    private func broken(_ what: String) -> Failure { Failure(.dataLoss, .vaultFailed, what, vault: "flawed") }
}

/// A vault in memory with one flaw, and the clock it goes by: a call takes a millisecond.
private final class FlawedVault: VaultAdapter, Clock {
    enum Flaw {
        case none, forgets
        case writes(Failure, isDone: Bool)
        case removes(Failure)
        case checks(Failure)
        /// Neither, and nobody knows whether the write happened.
        case writesAndRemoves(Failure)
        /// Somebody writes between the store and the read.
        case isOvertaken(@Sendable (RecordKey) async -> Void)
    }

    private struct State {
        var flaw = Flaw.none
        var items: [RecordKey: VaultItem] = [:]
        var users: Set<String> = []
        var connections: Set<String> = []
        var removals = 0
        var deadlines: [UInt64] = []
        var now: UInt64 = 1_000_000_000
        var start: UInt64 = 1_000_000_000
    }

    private let state = Mutex(State())
    let name = "flawed"
    let kind = "flawed"
    let identity: [UInt8] = Array(repeating: 7, count: 16)
    let changes: VaultChanges? = nil
    let capabilities = VaultCapabilities(conditionalWrites: true, listing: true, maximumPayloadBytes: 1 << 20)

    var boot: BootInstant { BootInstant(nanoseconds: state.withLock { $0.now }) }
    var wall: WallMilliseconds { 1_700_000_000_000 }

    var flaw: Flaw {
        get { state.withLock { $0.flaw } }
        set { state.withLock { $0.flaw = newValue } }
    }
    var users: Set<String> { state.withLock { $0.users } }
    var connections: Set<String> { state.withLock { $0.connections } }
    var count: Int { state.withLock { $0.items.count } }
    var removals: Int { state.withLock { $0.removals } }
    /// Of each call, in milliseconds from the start.
    var deadlines: [UInt64] { state.withLock { $0.deadlines } }

    private func enter(_ state: inout State, _ deadline: BootInstant) {
        state.now += 1_000_000
        state.deadlines.append(deadline.milliseconds(since: BootInstant(nanoseconds: state.start)))
    }

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        if case .isOvertaken(let write) = flaw { await write(key.key) }
        return state.withLock { state in
            enter(&state, deadline)
            return state.items[key.key]
        }
    }

    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        try state.withLock { state throws(Failure) in
            enter(&state, deadline)
            state.users.insert(key.key.user)
            state.connections.insert(key.key.connection)
            switch state.flaw {
            case .writes(let failure, let isDone):
                if isDone { state.items[key.key] = item }
                throw failure
            case .writesAndRemoves(let failure): throw failure
            case .forgets: break
            default: state.items[key.key] = item
            }
            return VaultReceipt(version: item.version, createdAt: item.updatedAt)
        }
    }

    func remove(_ key: VaultKey, ifVersion: String?, deadline: BootInstant) async throws(Failure) -> Bool {
        try state.withLock { state throws(Failure) in
            enter(&state, deadline)
            state.removals += 1
            switch state.flaw {
            case .removes(let failure), .writesAndRemoves(let failure): throw failure
            default: break
            }
            return state.items.removeValue(forKey: key.key) != nil
        }
    }

    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage { VaultPage(entries: [], next: nil) }

    func check(deadline: BootInstant) async throws(Failure) {
        if case .checks(let failure) = flaw { throw failure }
    }

    func close() async {}
}
