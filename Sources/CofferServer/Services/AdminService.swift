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
    private let clock: any Clock
    private let started: BootInstant
    private let version: String
    /// See `PingResponse`.
    private let instance: String
    private let warnings: [String]
    private let droppedLogLines: @Sendable () -> UInt64
    private let isDraining = Atomic<Bool>(false)
    private let checks = VaultRounds<Check>()
    private let examinations = VaultRounds<VaultExamination>()

    /// What a check of a vault has found.
    private struct Check {
        /// Nil = it succeeded.
        let failure: Failure?
        let microseconds: UInt64
    }

    init(
        credentials: CredentialService, random: any RandomSource,
        counters: [ReactorCounters], ledger: UIDLedger, budget: BufferBudget, clock: any Clock,
        version: String, warnings: [String], droppedLogLines: @escaping @Sendable () -> UInt64 = { 0 }
    ) {
        self.credentials = credentials
        self.random = random
        pool = credentials.pool
        statuses = credentials.statuses
        self.counters = counters
        self.ledger = ledger
        self.budget = budget
        self.clock = clock
        started = clock.boot
        self.version = version
        instance = Hex.text(random.bytes(8))
        self.warnings = warnings
        self.droppedLogLines = droppedLogLines
    }

    func ping() -> Secret {
        let limits = ledger.limits
        return ReplyMessages.pingResponse(
            PingAnswer(
                version: version, instance: instance, isDraining: isDraining.load(ordering: .relaxed),
                frameBytes: UInt32(limits.frameBytes), credentialBytes: UInt32(limits.credentialBytes),
                waitingCalls: UInt32(limits.callsPerConnection), keys: UInt32(Endpoint.maximumKeys),
                callMilliseconds: limits.maximumCallMilliseconds))
    }

    func noteDraining() { isDraining.store(true, ordering: .relaxed) }

    /// How long a check is waited for, counted from its start.
    static let patience = Duration.seconds(1)
    /// The same where the vault has been silent for that long already: enough to notice one that is back.
    static let patienceWithSilence = Duration.milliseconds(100)

    /// Checks every vault; who asks while a vault is being checked shares that check. A vault that does
    /// not answer within `patience` is reported as silent; its check goes on.
    ///
    /// - Parameter deadline: of the call. Vaults have three quarters of its time at most, so
    ///   that there is some to report one that hangs.
    /// - Returns: when to see whether it need not wait any longer, and how.
    func health(
        deadline: BootInstant, replyTo address: ReturnAddress
    ) -> (times: [BootInstant], answerEarly: TimedWork) {
        let now = clock.boot
        let last = now + .milliseconds(Int64(deadline.milliseconds(since: now) * 3 / 4))
        // Others may have more time than who came first.
        let end = max(last, now + .milliseconds(Int64(ledger.limits.callMilliseconds) * 3 / 4))
        let asker = VaultRounds<Check>.Asker(address)
        address.work.onStop { self.checks.withdraw(asker) }
        let times = checks.ask(
            asker, Array(pool.vaults.indices), now: now,
            until: { vault, begun in min(last, begun + patience(with: vault, at: now)) },
            start: { begin($0, deadline: end) }
        ) { found in
            address.send(.message(self.healthResponse(found, since: now)))
        }
        return (times, TimedWork { self.checks.answerEarly(asker, now: self.clock.boot) })
    }

    private func patience(with vault: Int, at now: BootInstant) -> Duration {
        let silence = statuses[pool.vaults[vault].store].silence(at: now)
        return .milliseconds(silence) >= Self.patience ? Self.patienceWithSilence : Self.patience
    }

    private func begin(_ vault: Int, deadline: BootInstant) {
        Task {
            let before = self.clock.boot
            let failure = await self.check(self.pool.vaults[vault].store, deadline: deadline)
            self.checks.end(vault, Check(failure: failure, microseconds: self.microseconds(since: before)), now: self.clock.boot)
        }
    }

    private func healthResponse(_ found: [Check?], since asked: BootInstant) -> Secret {
        let vaults = zip(pool.vaults.indices, found).map { index, check in
            health(
                of: pool.vaults[index],
                check ?? Check(failure: silence(of: index, since: asked), microseconds: microseconds(since: asked)))
        }
        return ReplyMessages.healthResponse(
            serving: !isDraining.load(ordering: .relaxed), version: version,
            uptimeMilliseconds: clock.boot.milliseconds(since: started), vaults: vaults, warnings: warnings)
    }

    /// For as long as its check is unanswered, or all that it was asked.
    private func silence(of index: Int, since asked: BootInstant) -> Failure {
        let (now, vault) = (clock.boot, pool.vaults[index])
        let ofCheck = now.milliseconds(since: checks.begun(index) ?? asked)
        let ofAll = statuses[vault.store].silence(at: now)
        return .silent(vault: vault.name, milliseconds: max(ofCheck, ofAll))
    }

    private func microseconds(since start: BootInstant) -> UInt64 {
        let now = clock.boot
        return now > start ? (now.nanoseconds - start.nanoseconds) / 1_000 : 0
    }

    /// Examines vaults, all at the same time; who asks while a vault is being examined
    /// shares that examination. It is never broken off: the test record has to go.
    ///
    /// - Parameter name: which; empty = each. NOT_FOUND if there is none of that name.
    func examine(_ name: String, deadline: BootInstant, replyTo address: ReturnAddress) {
        let vaults = pool.vaults.indices.filter { name.isEmpty || pool.vaults[$0].name == name }
        guard !vaults.isEmpty else {
            address.send(.failure(.noSuchVault(name, among: pool.vaults.map(\.name))))
            return
        }
        let asker = VaultRounds<VaultExamination>.Asker(address)
        address.work.onStop { self.examinations.withdraw(asker) }
        examinations.ask(asker, vaults, now: clock.boot, start: { examine($0, deadline: deadline) }) { found in
            address.send(.message(ReplyMessages.doctorResponse(found.compactMap { $0 })))
        }
    }

    private func examine(_ vault: Int, deadline: BootInstant) {
        Task {
            let member = self.pool.vaults[vault]
            let store = member.store
            let doctor = Doctor(
                records: store, advice: member.advice, checksWrites: member.guarded == nil, clock: self.clock,
                random: self.random)
            let steps = await doctor.examine(deadline: deadline)
            self.statuses[store].note(steps)
            self.examinations.end(
                vault, VaultExamination(name: store.vaultName, kind: store.vaultKind, steps: steps),
                now: self.clock.boot)
        }
    }

    private func health(of vault: VaultPool.Member, _ check: Check) -> CofferWire.VaultHealth {
        var health = CofferWire.VaultHealth(name: vault.name, kind: vault.store.vaultKind)
        health.format = vault.store.format.rawValue
        health.routes = pool.routes.filter { $0.vault == vault.name }.map { "user=\($0.user.text) connection=\($0.connection.text)" }
        health.reachable = check.failure == nil
        health.checkFailure = check.failure
        health.latencyMicroseconds = check.microseconds
        statuses[vault.store].describe(in: &health)
        if let guarded = vault.health { health.add(guarded) }
        return health
    }

    private func check(_ records: RecordStore, deadline: BootInstant) async -> Failure? {
        let status = statuses[records]
        status.begin(.check)
        do throws(Failure) {
            try await records.check(deadline: deadline)
            status.end(.check)
            return nil
        } catch {
            status.end(.check, error)
            // What a check writes means nothing.
            return error.ofRead
        }
    }

    /// Every counter, gauge and limit, sorted by name.
    func stats() -> [(name: String, value: UInt64)] {
        let cache = credentials.cache.usage
        let configuration = credentials.cache.configuration
        let limits = ledger.limits
        func total(_ counter: (ReactorCounters) -> UInt64) -> UInt64 {
            counters.reduce(0) { $0 + counter($1) }
        }
        let stats: [(name: String, value: UInt64)] = [
            ("buffered_bytes", UInt64(budget.bytes)),
            ("cache_bytes", UInt64(cache.bytes)),
            ("cache_entries", UInt64(cache.entries)),
            ("cache_evictions_total", cache.evictions),
            ("cache_hits_total", total { $0.ended.cacheHits }),
            ("cache_misses_total", total { $0.cacheMisses.current }),
            ("cache_refreshes_total", cache.refreshes),
            ("cache_stale_total", cache.staleAnswers),
            ("calls_cancelled_total", total { $0.cancelled.current }),
            ("calls_deadline_total", total { $0.deadlines.current }),
            ("calls_denied_total", total { $0.denied.current }),
            ("calls_failed_total", total { $0.ended.failures }),
            ("calls_malformed_total", total { $0.malformed.current }),
            ("calls_total", total { $0.requests.current }),
            ("calls_waiting", UInt64(ledger.work)),
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
            ("limit_calls", UInt64(limits.calls)),
            ("limit_calls_per_connection", UInt64(limits.callsPerConnection)),
            ("limit_calls_per_uid", UInt64(limits.callsPerUID)),
            ("limit_connections", UInt64(limits.connections)),
            ("limit_connections_per_uid", UInt64(limits.connectionsPerUID)),
            ("limit_credential_bytes", UInt64(limits.credentialBytes)),
            ("limit_drain_seconds", UInt64(limits.drainSeconds)),
            ("limit_flights_per_shard", UInt64(configuration.maximumFlights)),
            ("limit_flights_per_uid", UInt64(configuration.maximumFlightsPerUID)),
            ("limit_frame_bytes", UInt64(limits.frameBytes)),
            ("limit_frame_seconds", UInt64(limits.frameSeconds)),
            ("limit_idle_seconds", UInt64(limits.idleSeconds)),
            ("limit_maximum_call_ms", UInt64(limits.maximumCallMilliseconds)),
            ("limit_output_bytes", UInt64(limits.outputBytes)),
            ("limit_queue_per_uid", UInt64(limits.queuePerUID)),
            ("limit_write_stall_seconds", UInt64(limits.writeStallSeconds)),
            ("log_lines_dropped_total", droppedLogLines()),
            ("reactors", UInt64(counters.count)),
            ("records_foreign_format_total", pool.vaults.reduce(0) { $0 + $1.store.foreignReads }),
            ("uptime_ms", clock.boot.milliseconds(since: started)),
            ("vault_calls_total", statuses.total(\.calls)),
            ("vault_failures_total", statuses.total(\.failures)),
            ("vault_reads_total", statuses.total(\.reads)),
        ]
        return (stats + endedCalls).sorted { $0.name < $1.name }
    }

    /// How many calls of each method have ended with each status, where there are any.
    private var endedCalls: [(name: String, value: UInt64)] {
        CallMethod.allCases.flatMap { method in
            StatusCode.allCases.compactMap { status in
                let count = counters.reduce(0) { $0 + $1.ended.current(method, status) }
                return count == 0 ? nil : ("calls_\(method.name)_\(status.name.lowercased())_total", count)
            }
        }
    }
}

extension VaultRounds.Asker {
    fileprivate init(_ address: ReturnAddress) { self.init(reactor: address.reactor, serial: address.serial) }
}

extension VaultStatus {
    /// How the writes of an examination have ended: it shows that they work again where nobody stores.
    fileprivate func note(_ steps: [DoctorStep]) {
        let wasStored = steps.contains { $0.action == .store && $0.outcome == .done }
        for step in steps where step.action == .store || step.action == .delete {
            switch step.outcome {
            // Deleting what was never stored shows nothing.
            case .done: noteSuccess(step.action == .store || wasStored ? .write : .read)
            case .failed(let failure): noteFailure(failure, .write)
            case .skipped: break
            }
        }
    }
}

extension Failure {
    /// - Parameters:
    ///   - name: is repeated only if it could be a vault's.
    ///   - names: of the configured vaults.
    static func noSuchVault(_ name: String, among names: [String]) -> Failure {
        Failure(
            .notFound, .badField,
            "no vault " + (VaultName.isValid(name) ? "named \"\(name)\"" : "has this name")
                + "; configured: \(names.prefix(16).joined(separator: ", "))")
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
