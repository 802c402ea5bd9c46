internal import CLinux
internal import Glibc
internal import Synchronization

/// The key that cache entries are sealed under: random, made at start, never
/// stored, in memory that no dump shows.
///
/// It gives each ``CacheSealer`` a range of nonces of its own.
package final class BootKey: @unchecked Sendable {
    // Unchecked: the region is written by init only, and outlives every sealer,
    // which holds on to this object.
    private static let regionBytes = 4096
    private let region: UnsafeMutableRawPointer

    /// What the kernel refused, for a warning each: memfd_secret(2) memory, which nobody
    /// outside of the process can read, and without it the lock that keeps the key out of
    /// swap. Core dumps do not hold it in any case.
    package let warnings: [String]

    private let lanes = Atomic<UInt32>(0)

    /// Traps if there is neither memory nor randomness.
    package init() {
        var refused = coffer_refused_memory()
        guard let region = coffer_secret_map(Self.regionBytes, &refused),
            coffer_random(region, AEADContext.keyBytes) == 0
        else { fatalError("no memory or no randomness for the cache's key") }
        self.region = region
        warnings = Self.warnings(refused)
    }

    private static func warnings(_ refused: coffer_refused_memory) -> [String] {
        func reason(_ number: Int32) -> String { String(cString: strerror(number)) }
        var warnings: [String] = []
        if refused.memfd_secret != 0 {
            warnings.append(
                "memfd_secret is unavailable (\(reason(refused.memfd_secret))): the cache key is in ordinary memory, "
                    + "which root can read")
        }
        if refused.mlock != 0 {
            warnings.append(
                "mlock is refused (\(reason(refused.mlock))): the cache key may be written to swap; raise the limit of "
                    + "locked memory (ulimit -l, LimitMEMLOCK)")
        }
        return warnings
    }

    deinit {
        coffer_wipe(region, Self.regionBytes)
        munmap(region, Self.regionBytes)
    }

    /// The key's 32 bytes. Lent only to OpenSSL, which must forget them.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: region, count: AEADContext.keyBytes) }

    /// 32 zero bytes beside it.
    var zeros: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: region + AEADContext.keyBytes, count: AEADContext.keyBytes)
    }

    /// A number that no other sealer of this key has: the upper 16 bits of its nonces.
    func claimLane() -> UInt64 {
        let lane = lanes.wrappingAdd(1, ordering: .relaxed).oldValue
        precondition(lane < 1 << 16, "at most 65536 cache sealers in the life of a process")
        return UInt64(lane)
    }
}
