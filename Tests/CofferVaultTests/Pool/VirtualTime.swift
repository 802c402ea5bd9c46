import CofferCore
import CofferVault
import Synchronization
import Testing

/// A clock that stands still until it is moved, and wakes who sleeps by it.
final class VirtualTime: Clock, Sleeper {
    private struct State {
        var now = BootInstant(nanoseconds: 1_000_000_000_000)
        var nextID = 0
        var setBack = Duration.zero
        var sleepers: [Int: (until: BootInstant, continuation: CheckedContinuation<Void, any Error>)] = [:]
    }

    private let state = Mutex(State())

    var boot: BootInstant { state.withLock { $0.now } }
    var wall: WallMilliseconds {
        let setBack = state.withLock { $0.setBack }
        return 1_700_000_000_000 + boot.nanoseconds / 1_000_000 - UInt64(setBack / .milliseconds(1))
    }

    /// The wall clock, once.
    func setBack(_ duration: Duration) { state.withLock { $0.setBack = duration } }

    /// When those who sleep want to be woken.
    var alarms: [BootInstant] { state.withLock { $0.sleepers.values.map(\.until).sorted() } }

    func sleep(until instant: BootInstant) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isOver = state.withLock { state in
                    guard state.now < instant else { return true }
                    state.sleepers[id] = (instant, continuation)
                    return false
                }
                if isOver { continuation.resume() } else if Task.isCancelled { cancel(id) }
            }
        } onCancel: {
            self.cancel(id)
        }
    }

    private func cancel(_ id: Int) {
        state.withLock { $0.sleepers.removeValue(forKey: id) }?.continuation.resume(throwing: CancellationError())
    }

    func advance(_ duration: Duration) {
        let due = state.withLock { state in
            state.now = state.now + duration
            let now = state.now
            let due = state.sleepers.filter { $0.value.until <= now }
            for id in due.keys { state.sleepers[id] = nil }
            return due.sorted { $0.value.until < $1.value.until }.map(\.value.continuation)
        }
        for continuation in due { continuation.resume() }
    }

    /// Moves to the next alarm, once there is one.
    func advanceToNextAlarm() async throws {
        try await eventually("somebody sleeps") { !self.alarms.isEmpty }
        let next = try #require(alarms.first)
        advance(.nanoseconds(Int64(next.nanoseconds - min(next.nanoseconds, boot.nanoseconds))))
    }
}

/// Waits until `condition` holds, for at most a real minute.
func eventually(
    _ what: String, sourceLocation: SourceLocation = #_sourceLocation, _ condition: () -> Bool
) async throws {
    let end = ContinuousClock.now + .seconds(60)
    while !condition() {
        guard ContinuousClock.now < end else {
            Issue.record("after a minute still not so: \(what)", sourceLocation: sourceLocation)
            throw CancellationError()
        }
        try await Task.sleep(for: .microseconds(200))
    }
}

/// The same bytes for the same seed (SplitMix64).
final class SeededRandom: RandomSource {
    private let state: Mutex<UInt64>

    init(_ seed: UInt64) { state = Mutex(seed) }

    func next() -> UInt64 {
        state.withLock { state in
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
    }

    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) } }
}

/// Gives the same number in 0..<1 each time.
struct FixedRandom: RandomSource {
    let unitValue: Double

    init(_ unit: Double) { unitValue = unit }

    func bytes(_ count: Int) -> [UInt8] {
        let bits = UInt64(unitValue * Double(UInt64(1) << 53)) << 11
        return (0..<count).map { $0 < 8 ? UInt8(truncatingIfNeeded: bits >> (56 - 8 * $0)) : 0 }
    }
}

extension BootInstant {
    /// Seconds after a start that all pure tests share.
    static func at(_ seconds: Double) -> BootInstant {
        BootInstant(nanoseconds: 1_000_000_000_000 + UInt64(seconds * 1e9))
    }

    var secondsSinceStart: Double { (Double(nanoseconds) - 1e12) / 1e9 }
}

extension Failure {
    static let unavailable = Failure(.unavailable, .vaultUnreachable, "it does not answer", retryable: true)
    static let mistrust = Failure(.failedPrecondition, .vaultUnreachable, "the certificate does not verify")
}
