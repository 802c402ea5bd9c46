import CofferCache
import CofferCore
import CofferVault
import CofferWire
import Synchronization

/// Health, Stats and Doctor.
package final class AdminService: Sendable {
    private let vault: any VaultAdapter
    private let status: VaultStatus
    private let credentials: CredentialService
    private let doctor: Doctor
    private let counters: [ReactorCounters]
    private let ledger: UIDLedger
    private let limits: ServerLimits
    private let clock: any Clock
    private let started: BootInstant
    private let version: String
    private let warnings: [String]
    private let isDraining = Atomic<Bool>(false)

    init(
        vault: any VaultAdapter, credentials: CredentialService, doctor: Doctor,
        counters: [ReactorCounters], ledger: UIDLedger, limits: ServerLimits, clock: any Clock,
        version: String, warnings: [String]
    ) {
        self.vault = vault
        self.credentials = credentials
        self.doctor = doctor
        status = credentials.status
        self.counters = counters
        self.ledger = ledger
        self.limits = limits
        self.clock = clock
        started = clock.boot
        self.version = version
        self.warnings = warnings
    }

    func noteDraining() { isDraining.store(true, ordering: .relaxed) }

    func health(deadline: BootInstant, replyTo address: ReturnAddress) {
        Task {
            let before = self.clock.boot
            let reachable = await self.check(deadline: deadline)
            let took = (self.clock.boot.nanoseconds - before.nanoseconds) / 1_000
            var health = VaultHealth(name: self.vault.name, kind: self.vault.kind)
            health.routes = ["user=* connection=*"]
            health.reachable = reachable
            health.latencyMicroseconds = took
            self.status.describe(in: &health)
            address.send(
                .message(
                    ReplyMessages.healthResponse(
                        serving: !self.isDraining.load(ordering: .relaxed), version: self.version,
                        uptimeMilliseconds: self.clock.boot.milliseconds(since: self.started),
                        vaults: [health], warnings: self.warnings)))
        }
    }

    /// Examines the vault.
    ///
    /// - Parameter name: which; empty = each.
    /// - Throws: NOT_FOUND if there is none of that name.
    func examine(_ name: String, deadline: BootInstant, replyTo address: ReturnAddress) {
        Task {
            guard name.isEmpty || name == self.vault.name else {
                address.send(.failure(.noSuchVault(names: [self.vault.name])))
                return
            }
            let steps = await self.doctor.examine(deadline: deadline)
            address.send(
                .message(
                    ReplyMessages.doctorResponse([
                        VaultExamination(name: self.vault.name, kind: self.vault.kind, steps: steps)
                    ])))
        }
    }

    private func check(deadline: BootInstant) async -> Bool {
        do throws(Failure) {
            try await vault.check(deadline: deadline)
            status.noteSuccess()
            return true
        } catch {
            status.noteFailure(error)
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
            ("connections_refused_total", total { $0.refusedConnections.current }),
            ("flights", UInt64(cache.flights)),
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
            ("reactors", UInt64(counters.count)),
            ("uptime_ms", clock.boot.milliseconds(since: started)),
            ("vault_calls_total", status.calls),
            ("vault_failures_total", status.failures),
            ("vault_reads_total", status.reads),
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
