import CofferCore
import Synchronization

/// A clock that moves when it is told to.
final class FuzzClock: Clock {
    private let milliseconds = Atomic<UInt64>(1_000_000)

    func advance(byMilliseconds amount: UInt64) { milliseconds.add(amount, ordering: .relaxed) }

    var boot: BootInstant {
        BootInstant(nanoseconds: milliseconds.load(ordering: .relaxed) * 1_000_000)
    }

    var wall: WallMilliseconds { 1_700_000_000_000 + milliseconds.load(ordering: .relaxed) }
}

/// Numbers that nobody should mistake for random ones.
struct FuzzRandom: RandomSource {
    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) } }
}
