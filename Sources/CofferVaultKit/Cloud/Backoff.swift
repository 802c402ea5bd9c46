package import CofferCore

/// Pauses between the attempts of one call, each twice as long as the one before and random by half.
package struct Backoff {
    private var milliseconds: Int
    private let longest: Int
    private let clock: any Clock
    private let random: any RandomSource
    private let pause: @Sendable (Duration) async -> Void
    private let vault: String

    /// - Parameters:
    ///   - milliseconds: the first pause, and the longest.
    ///   - pause: lets time pass, and ends early when the task is cancelled.
    package init(
        _ milliseconds: ClosedRange<Int>, clock: any Clock, random: any RandomSource,
        pause: @escaping @Sendable (Duration) async -> Void, vault: String
    ) {
        (self.milliseconds, longest) = (milliseconds.lowerBound, milliseconds.upperBound)
        self.clock = clock
        self.random = random
        self.pause = pause
        self.vault = vault
    }

    /// - Returns: false, at once, if the time would be over then.
    /// - Throws: CANCELLED.
    package mutating func rest(until deadline: BootInstant) async throws(Failure) -> Bool {
        let share = Int(random.bytes(1)[0])
        let duration = Duration.milliseconds(milliseconds / 2 + milliseconds * share / 512)
        milliseconds = min(2 * milliseconds, longest)
        guard clock.boot + duration < deadline else { return false }
        await pause(duration)
        guard !Task.isCancelled else { throw Failure(.cancelled, .cancelled, "the call was cancelled", vault: vault) }
        return true
    }
}
