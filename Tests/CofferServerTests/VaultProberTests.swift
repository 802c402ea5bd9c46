import CofferCore
import CofferCrypto
import CofferVault
import Synchronization
import Testing

@testable import CofferCrypto
@testable import CofferServer

@Suite struct VaultProberTests {
    private let vault = SlowVault()
    private let guarded: GuardedVault

    init() {
        guarded = GuardedVault(vault, clock: vault, random: Half(), sleeper: vault)
    }

    /// Lets the prober look at the vault so often, then cancels it.
    private func probe(_ looks: Int, guarded: GuardedVault?) async throws {
        let key = Secret(count: 32) { $0.initializeMemory(as: UInt8.self, repeating: 3) }
        let term = KeyTerm(id: 1, name: "test", state: .active, createdAt: 1, key: key)
        let records = RecordStore(
            vault: vault, keys: KeyRing(base: key, terms: [term]), environment: "test", clock: vault, random: Half())
        let pool = try VaultPool(VaultPool.Member(store: records, guarded: guarded))
        vault.allow(sleeps: looks)
        await VaultProber(pool, clock: vault, random: Half(), sleeper: vault).run()
    }

    /// Failures until the breaker opens; their checks are not among the vault's.
    private func openBreaker() async throws {
        vault.isFailing = true
        for _ in 0..<CircuitBreaker.Limits().failures {
            try? await guarded.check(deadline: vault.boot + .seconds(1))
        }
        guard case .open = guarded.health.breaker else {
            Issue.record("the breaker is \(guarded.health.breaker)")
            return
        }
        vault.forget()
    }

    @Test func aVaultWhoseBreakerIsClosedIsLeftAlone() async throws {
        try await probe(20, guarded: guarded)
        #expect(vault.checks == [])
    }

    @Test func oneWhoseBreakerIsOpenIsAskedOnceInThirtySeconds() async throws {
        try await openBreaker()
        try await probe(5, guarded: guarded)
        // From a random moment on; that a check takes two seconds makes no difference.
        #expect(vault.checks == [15, 45, 75, 105, 135])
    }

    @Test func theBreakerLetsACallThroughOnceItAnswers() async throws {
        try await openBreaker()
        try await probe(2, guarded: guarded)
        #expect(vault.checks == [15, 45])
        guard case .open = guarded.health.breaker else { throw CancellationError() }
        vault.isFailing = false
        try await probe(1, guarded: guarded)
        #expect(vault.checks == [15, 45, 62])
        #expect(guarded.health.refusedFor == .zero)
        _ = try await guarded.list(user: nil, after: nil, limit: 1, deadline: vault.boot + .seconds(1))
        #expect(guarded.health.breaker == .closed)
        vault.forget()
        try await probe(3, guarded: guarded)
        #expect(vault.checks == [])
    }

    @Test func itEndsAtOnceWithoutSuchAVault() async throws {
        try await probe(1, guarded: nil)
        #expect(vault.sleepsLeft == 1)
    }
}

/// A vault that takes two seconds for a check; its clock goes where its sleepers want it.
private final class SlowVault: VaultAdapter, Clock, Sleeper {
    private struct State {
        var now = BootInstant(nanoseconds: 1_000_000_000)
        var start = BootInstant(nanoseconds: 1_000_000_000)
        var checks: [UInt64] = []
        var sleepsLeft = 0
        var isFailing = false
    }

    private let state = Mutex(State())
    let name = "slow"
    let kind = "test"
    let identity: [UInt8] = Array(repeating: 7, count: 16)
    let changes: VaultChanges? = nil
    let capabilities = VaultCapabilities(conditionalWrites: true, listing: true, maximumPayloadBytes: 1 << 20)

    var boot: BootInstant { state.withLock { $0.now } }
    var wall: WallMilliseconds { 1_700_000_000_000 }
    /// When each check began, in seconds.
    var checks: [UInt64] { state.withLock { $0.checks } }
    var sleepsLeft: Int { state.withLock { $0.sleepsLeft } }
    var isFailing: Bool {
        get { state.withLock { $0.isFailing } }
        set { state.withLock { $0.isFailing = newValue } }
    }

    /// Time begins anew, without checks.
    func forget() {
        state.withLock { state in
            state.start = state.now
            state.checks = []
        }
    }

    func allow(sleeps: Int) { state.withLock { $0.sleepsLeft = sleeps } }

    func sleep(until instant: BootInstant) async throws {
        try state.withLock { state in
            guard state.sleepsLeft > 0 else { throw CancellationError() }
            state.sleepsLeft -= 1
            state.now = max(state.now, instant)
        }
    }

    func check(deadline: BootInstant) async throws(Failure) {
        let isFailing = state.withLock { state in
            state.checks.append(state.now.milliseconds(since: state.start) / 1_000)
            state.now = state.now + .seconds(2)
            return state.isFailing
        }
        if isFailing { throw Failure(.unavailable, .vaultUnreachable, "it does not answer", retryable: true) }
    }

    func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? { nil }
    func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt { VaultReceipt(version: item.version, createdAt: item.updatedAt) }
    func remove(_ key: VaultKey, ifVersion: String?, deadline: BootInstant) async throws(Failure) -> Bool { false }
    func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage { VaultPage(entries: [], next: nil) }
    func close() async {}
}

/// Always the middle.
private struct Half: RandomSource {
    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { $0 == 0 ? 0x80 : 0 } }
}
