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

    /// Whether the kernel gave memfd_secret(2) memory, which nobody outside of the
    /// process can read. Otherwise the key lies in locked memory left out of core
    /// dumps, which root can read: worth a warning.
    package let isSecretMemory: Bool

    private let lanes = Atomic<UInt32>(0)

    /// Traps if there is neither memory nor randomness.
    package init() {
        var secret = false
        guard let region = coffer_secret_map(Self.regionBytes, &secret),
            coffer_random(region, AEADContext.keyBytes) == 0
        else { fatalError("no locked memory or no randomness for the cache's key") }
        self.region = region
        isSecretMemory = secret
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
