import CofferCache
import CofferCore
import CofferVault
import CofferWire
import Synchronization

/// Health, Stats and Doctor.
package final class AdminService: Sendable {
    private let pool: VaultPool
    private let statuses: VaultStatuses
    private let credentials: CredentialService
    private let random: any RandomSource
    private let counters: [ReactorCounters]
    private let ledger: UIDLedger
    private let budget: BufferBudget
    private let limits: ServerLimits
    private let clock: any Clock
    private let started: BootInstant
    private let version: String
    private let warnings: [String]
    private let droppedLogLines: @Sendable () -> UInt64
    private let isDraining = Atomic<Bool>(false)

    init(
        credentials: CredentialService, random: any RandomSource,
        counters: [ReactorCounters], ledger: UIDLedger, budget: BufferBudget, limits: ServerLimits, clock: any Clock,
        version: String, warnings: [String], droppedLogLines: @escaping @Sendable () -> UInt64 = { 0 }
    ) {
        self.credentials = credentials
        self.random = random
        pool = credentials.pool
        statuses = credentials.statuses
        self.counters = counters
        self.ledger = ledger
        self.budget = budget
        self.limits = limits
        self.clock = clock
        started = clock.boot
        self.version = version
        self.warnings = warnings
        self.droppedLogLines = droppedLogLines
    }

    func noteDraining() { isDraining.store(true, ordering: .relaxed) }

    /// - Parameter deadline: of the call. Vaults have three quarters of its time, so
    ///   that there is some to tell of one that hangs.
    func health(deadline: BootInstant, replyTo address: ReturnAddress) {
        let now = clock.boot
        let early = now + .milliseconds(Int64(deadline.milliseconds(since: now) * 3 / 4))
        Task {
            let vaults = await self.forEach(self.pool.vaults) { await self.health(of: $0, deadline: early) }
            address.send(
                .message(
                    ReplyMessages.healthResponse(
                        serving: !self.isDraining.load(ordering: .relaxed), version: self.version,
                        uptimeMilliseconds: self.clock.boot.milliseconds(since: self.started),
                        vaults: vaults, warnings: self.warnings)))
        }
    }

    /// Examines vaults, all at the same time.
    ///
    /// - Parameter name: which; empty = each. NOT_FOUND if there is none of that name.
    func examine(_ name: String, deadline: BootInstant, replyTo address: ReturnAddress) {
        Task {
            let vaults = self.pool.vaults.filter { name.isEmpty || $0.name == name }
            guard !vaults.isEmpty else {
                address.send(.failure(.noSuchVault(names: self.pool.vaults.map(\.name))))
                return
            }
            let examinations = await self.forEach(vaults) { vault in
                let doctor = Doctor(records: vault.store, clock: self.clock, random: self.random)
                return VaultExamination(
                    name: vault.name, kind: vault.store.vaultKind, steps: await doctor.examine(deadline: deadline))
            }
            address.send(.message(ReplyMessages.doctorResponse(examinations)))
        }
    }

    /// The results in the order of the vaults, however long each took.
    private func forEach<R: Sendable>(
        _ vaults: [VaultPool.Member], _ body: @escaping @Sendable (VaultPool.Member) async -> R
    ) async -> [R] {
        await withTaskGroup(of: (Int, R).self) { group in
            for (index, vault) in vaults.enumerated() { group.addTask { (index, await body(vault)) } }
            var results: [(Int, R)] = []
            for await result in group { results.append(result) }
            return results.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    private func health(of vault: VaultPool.Member, deadline: BootInstant) async -> CofferWire.VaultHealth {
        let before = clock.boot
        let isReachable = await check(vault.store, deadline: deadline)
        let took = (clock.boot.nanoseconds - before.nanoseconds) / 1_000
        var health = CofferWire.VaultHealth(name: vault.name, kind: vault.store.vaultKind)
        health.format = vault.store.format.rawValue
        health.routes = pool.routes.filter { $0.vault == vault.name }.map { "user=\($0.user.text) connection=\($0.connection.text)" }
        health.reachable = isReachable
        health.latencyMicroseconds = took
        statuses[vault.store].describe(in: &health)
        if let guarded = vault.health { health.add(guarded) }
        return health
    }

    private func check(_ records: RecordStore, deadline: BootInstant) async -> Bool {
        let status = statuses[records]
        do throws(Failure) {
            try await records.check(deadline: deadline)
            status.noteSuccess(.check)
            return true
        } catch {
            status.noteFailure(error, .check)
            return false
        }
    }

    /// Every counter, gauge and limit, sorted by name.
    func stats() -> [(name: String, value: UInt64)] {
        let cache = credentials.cache.usage
        let configuration = credentials.cache.configuration
        func total(_ counter: (ReactorCounters) -> UInt64) -> UInt64 {
            counters.reduce(0) { $0 + counter($1) }
        }
        let stats: [(name: String, value: UInt64)] = [
            ("buffered_bytes", UInt64(budget.bytes)),
            ("cache_bytes", UInt64(cache.bytes)),
            ("cache_entries", UInt64(cache.entries)),
            ("cache_evictions_total", cache.evictions),
            ("cache_hits_total", total { $0.cacheHits.current }),
            ("cache_misses_total", total { $0.cacheMisses.current }),
            ("cache_refreshes_total", cache.refreshes),
            ("cache_stale_total", cache.staleAnswers),
            ("calls_cancelled_total", total { $0.cancelled.current }),
            ("calls_deadline_total", total { $0.deadlines.current }),
            ("calls_denied_total", total { $0.denied.current }),
            ("calls_failed_total", total { $0.failures.current }),
            ("calls_malformed_total", total { $0.malformed.current }),
            ("calls_total", total { $0.requests.current }),
            ("calls_waiting", UInt64(ledger.calls)),
            ("connections", UInt64(ledger.connections)),
            ("connections_accepted_total", total { $0.accepted.current }),
            ("connections_cut_total", total { $0.cutSlowPeers.current }),
            ("connections_denied_total", total { $0.deniedConnections.current }),
            ("connections_refused_total", total { $0.refusedConnections.current }),
            ("flights", UInt64(cache.flights)),
            ("limit_buffered_bytes", UInt64(limits.bufferedBytes)),
            ("limit_buffered_bytes_per_uid", UInt64(limits.bufferedBytesPerUID)),
            ("limit_cache_bytes", UInt64(configuration.maximumBytes)),
            ("limit_cache_negative_ms", configuration.negativeMilliseconds),
            ("limit_cache_refreshes", UInt64(configuration.maximumRefreshes)),
            ("limit_cache_stale_ms", configuration.staleMilliseconds),
            ("limit_cache_ttl_ms", configuration.ttlMilliseconds),
            ("limit_call_ms", UInt64(limits.callMilliseconds)),
            ("limit_calls_per_connection", UInt64(limits.callsPerConnection)),
            ("limit_calls_per_uid", UInt64(limits.callsPerUID)),
            ("limit_connections", UInt64(limits.connections)),
            ("limit_connections_per_uid", UInt64(limits.connectionsPerUID)),
            ("limit_credential_bytes", UInt64(limits.credentialBytes)),
            ("limit_drain_seconds", UInt64(limits.drainSeconds)),
            ("limit_frame_bytes", UInt64(limits.frameBytes)),
            ("limit_frame_seconds", UInt64(limits.frameSeconds)),
            ("limit_idle_seconds", UInt64(limits.idleSeconds)),
            ("limit_maximum_call_ms", UInt64(limits.maximumCallMilliseconds)),
            ("limit_output_bytes", UInt64(limits.outputBytes)),
            ("limit_write_stall_seconds", UInt64(limits.writeStallSeconds)),
            ("log_lines_dropped_total", droppedLogLines()),
            ("reactors", UInt64(counters.count)),
            ("uptime_ms", clock.boot.milliseconds(since: started)),
            ("vault_calls_total", statuses.total(\.calls)),
            ("vault_failures_total", statuses.total(\.failures)),
            ("vault_reads_total", statuses.total(\.reads)),
        ]
        return stats.sorted { $0.name < $1.name }
    }
}

extension Failure {
    /// - Parameter names: of the vaults that there are.
    static func noSuchVault(names: [String]) -> Failure {
        Failure(
            .notFound, .badField,
            "vault: there is none of this name; there are \(names.prefix(16).joined(separator: ", "))")
    }
}

extension CofferWire.VaultHealth {
    /// What the guard of a vault that is not our own knows of it.
    fileprivate mutating func add(_ guarded: CofferVault.VaultHealth) {
        breaker =
            switch guarded.breaker {
            case .closed: .closed
            case .open: .open
            case .halfOpen: .halfOpen
            }
        breakerRetryMilliseconds = UInt64(clamping: guarded.refusedFor.wholeNanoseconds / 1_000_000)
        inFlight = UInt64(guarded.inFlight)
        queued = UInt64(guarded.queued)
        retries = guarded.retries
        refusals = guarded.rejected
        if guarded.lastGoodContact > lastGoodContact { lastGoodContact = guarded.lastGoodContact }
    }
}
