import CofferAccess

/// One of the calls that a rule lets wait for a vault at the same time, for as long as anything holds it.
final class FlightClaim: Sendable {
    private let usage: GrantUsage

    /// Nil if as many wait as may.
    init?(_ usage: GrantUsage) {
        guard usage.enter() else { return nil }
        self.usage = usage
    }

    deinit { usage.leave() }
}
