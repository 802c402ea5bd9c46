package import CofferCore

/// Waiting, passed in: tests let time pass themselves.
package protocol Sleeper: Sendable {
    /// Returns at `instant` or a little later, at once if that has passed.
    ///
    /// - Throws: `CancellationError` when the task is cancelled first.
    func sleep(until instant: BootInstant) async throws
}

/// Sleeps on the clock that counts from boot.
package struct TaskSleeper: Sleeper {
    private let clock: any Clock

    package init(clock: any Clock) { self.clock = clock }

    package func sleep(until instant: BootInstant) async throws {
        // Again, should a timer be early: nothing may happen before its time.
        while case let left = instant.duration(since: clock.boot), left > .zero {
            try await Task.sleep(for: left, clock: .continuous)
        }
        try Task.checkCancellation()
    }
}
