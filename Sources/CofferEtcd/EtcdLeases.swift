internal import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// Leases that have etcd remove records which have expired: one for each record, never kept alive.
///
/// Their ids are ours and marked, so that granting one again does no harm, and no lease of another program
/// is ever revoked, which would remove all keys that it has.
struct EtcdLeases: Sendable {
    /// The least that etcd grants, whatever is asked for: observed with 3.4 and 3.5.
    static let shortest = Duration.seconds(2)
    /// How long etcd keeps a record that has expired: its clock counts from the grant, and may be faster than ours.
    private static let delay: UInt64 = 60
    /// A hundred years: within what etcd grants, which is 9,000,000,000 s.
    private static let longest: UInt64 = 3_155_760_000
    private static let mark: Int64 = 0x0C0F
    private static let revocationTimeout = Duration.seconds(5)

    let client: EtcdClient
    let gate: CallGate

    /// - Parameter expiry: when etcd may remove the record; in the past too.
    /// - Returns: the lease's id.
    nonisolated(nonsending)
        func grant(until expiry: WallMilliseconds, deadline: BootInstant) async throws(Failure) -> Int64
    {
        let clock = client.wire.dependencies.clock
        let left = expiry > clock.wall ? (expiry - clock.wall + 999) / 1_000 : 0
        let seconds = min(left + Self.delay, Self.longest)
        for attempt in 0..<3 {
            let id = client.wire.dependencies.random.bytes(6).reduce(Self.mark) { $0 << 8 | Int64($1) }
            let call = EtcdCall(
                "lease/grant", [("TTL", .string(String(seconds))), ("ID", .int64(id))], for: .preparation)
            let reply = try await client.call(call, deadline: deadline)
            switch reply.answer.fault {
            case nil: return id
            // By an earlier attempt at this call, unless another program has the same of 2^48 ids.
            case .leaseTaken where reply.doubt != nil: return id
            case .leaseTaken where attempt < 2: continue
            case let fault?: throw client.failure(fault, reply, .preparation)
            }
        }
        throw EtcdFault.leaseTaken.failure(vault: client.vault, isWrite: false)
    }

    /// Lets go of a lease that no record has any more, while nobody waits. What fails ends by its own TTL.
    func revoke(_ lease: Int64) {
        guard lease >> 48 == Self.mark, gate.enter() else { return }
        Task {
            let deadline = client.wire.dependencies.clock.boot + Self.revocationTimeout
            _ = try? await client.call(EtcdCall("lease/revoke", [("ID", .int64(lease))], for: .preparation), deadline: deadline)
            gate.leave()
        }
    }
}
