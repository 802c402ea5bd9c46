import CofferCore
import Synchronization

/// A clock that moves when it is told to, and if it is asked to whenever somebody looks at it.
final class FuzzClock: Clock {
    private let nanoseconds = Atomic<UInt64>(1_000_000_000_000)
    private let step = Atomic<UInt64>(0)

    func advance(byMilliseconds amount: UInt64) { nanoseconds.add(amount * 1_000_000, ordering: .relaxed) }

    /// From now on each look takes so long; 0 = no time.
    func step(byMicroseconds amount: UInt64) { step.store(amount * 1_000, ordering: .relaxed) }

    var boot: BootInstant {
        BootInstant(nanoseconds: nanoseconds.add(step.load(ordering: .relaxed), ordering: .relaxed).newValue)
    }

    var wall: WallMilliseconds { 1_700_000_000_000 + nanoseconds.load(ordering: .relaxed) / 1_000_000 }
}

/// Numbers that nobody should mistake for random ones.
struct FuzzRandom: RandomSource {
    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) } }
}
