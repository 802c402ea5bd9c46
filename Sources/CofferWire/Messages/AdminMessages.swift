package import CofferCore
import CofferMessages

extension ReplyMessages {
    package static func healthResponse(
        serving: Bool, version: String, uptimeMilliseconds: UInt64, vaults: [VaultHealth],
        warnings: [String]
    ) -> Secret {
        let builder = MessageBuilder()
        let message = builder.message(
            Coffer__V1__HealthResponse.self, coffer__v1__health_response__init)
        message.pointee.serving = serving ? 1 : 0
        message.pointee.version = builder.string(version)
        message.pointee.uptime_ms = uptimeMilliseconds
        let vaults = vaults.map { vaultHealth(builder, $0) }
        message.pointee.n_vaults = vaults.count
        message.pointee.vaults = builder.pointers(vaults)
        message.pointee.n_warnings = warnings.count
        message.pointee.warnings = builder.pointers(warnings.map(builder.string))
        return builder.pack(message)
    }

    private static func vaultHealth(
        _ builder: MessageBuilder, _ health: VaultHealth
    ) -> UnsafeMutablePointer<Coffer__V1__VaultHealth> {
        let message = builder.message(Coffer__V1__VaultHealth.self, coffer__v1__vault_health__init)
        message.pointee.name = builder.string(health.name)
        message.pointee.kind = builder.string(health.kind)
        message.pointee.reachable = health.reachable ? 1 : 0
        message.pointee.latency_us = health.latencyMicroseconds
        message.pointee.last_good_contact_ms = health.lastGoodContact
        message.pointee.last_failure = Coffer__V1__Failure__Reason(
            UInt32(health.lastFailure.rawValue))
        message.pointee.last_failure_ms = health.lastFailureAt
        message.pointee.format = builder.string(health.format)
        message.pointee.n_routes = health.routes.count
        message.pointee.routes = builder.pointers(health.routes.map(builder.string))
        message.pointee.breaker = Coffer__V1__VaultHealth__Breaker(UInt32(health.breaker.rawValue))
        message.pointee.breaker_retry_ms = health.breakerRetryMilliseconds
        message.pointee.in_flight = health.inFlight
        message.pointee.queued = health.queued
        message.pointee.calls = health.calls
        message.pointee.failures = health.failures
        message.pointee.retries = health.retries
        message.pointee.refusals = health.refusals
        message.pointee.writes = Coffer__V1__VaultHealth__Writes(UInt32(health.writes.rawValue))
        message.pointee.write_failure = Coffer__V1__Failure__Reason(UInt32(health.writeFailure.rawValue))
        if let reason = health.checkFailure {
            message.pointee.check_status = reason.code.rawValue
            message.pointee.check_failure = failure(builder, reason)
        }
        return message
    }

    /// - Parameter stats: sorted by name.
    package static func statsResponse(_ stats: [(name: String, value: UInt64)]) -> Secret {
        let builder = MessageBuilder()
        let message = builder.message(
            Coffer__V1__StatsResponse.self, coffer__v1__stats_response__init)
        let list = stats.map { name, value in
            let stat = builder.message(Coffer__V1__Stat.self, coffer__v1__stat__init)
            stat.pointee.name = builder.string(name)
            stat.pointee.value = value
            return stat
        }
        message.pointee.n_stats = list.count
        message.pointee.stats = builder.pointers(list)
        return builder.pack(message)
    }

    package static func invalidateResponse(dropped: UInt64) -> Secret {
        let builder = MessageBuilder()
        let message = builder.message(
            Coffer__V1__InvalidateResponse.self, coffer__v1__invalidate_response__init)
        message.pointee.dropped = dropped
        return builder.pack(message)
    }
}
