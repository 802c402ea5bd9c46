package import CofferCache
import CofferCore
import CofferWire

extension CachedValue {
    /// How long it is, sealed.
    @inline(__always)
    var sealedBytes: Int { bytes.count - offset }

    /// Lends what is sealed.
    @inline(__always)
    func withSealed<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        bytes.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[offset...])) }
    }
}

extension GetResponseTail {
    /// For an answer from the cache.
    @inline(__always)
    init(_ hit: CacheHit) {
        self.init(source: hit.isStale ? .staleOnError : .memory, ageMilliseconds: hit.ageMilliseconds)
    }
}

extension Failure {
    /// What the cache is told of a read that failed so.
    package var flightOutcome: FlightOutcome {
        effects.mayServeStale ? isUnsent ? .turnedAway : .failedTransiently : .refusedDefinitely
    }

    /// What the cache is told of a write that failed so. A condition that did not hold may
    /// show that what is cached is old.
    var writeOutcome: WriteOutcome {
        mayHaveWritten || code == .aborted || code == .alreadyExists ? .uncertain : .notWritten
    }
}
