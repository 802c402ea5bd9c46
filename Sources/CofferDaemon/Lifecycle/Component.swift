/// A part of the daemon that is started, reloaded, drained and stopped in one order with the others: see
/// ``Lifecycle``. Its initialiser starts nothing.
///
/// The main thread calls everything but `reload`, which a thread of its own calls, also while the
/// main thread drains and stops.
protocol Component: AnyObject, Sendable {
    /// What components behind it are made from.
    associatedtype Product = Void

    /// Starts it, with the threads that it has.
    ///
    /// - Throws: why it cannot start. It has taken back then what it made, and is not called again.
    func start() throws(StartupError) -> Product

    /// Puts in force what of this configuration can change while it runs, and reads its files again.
    /// No call fails because of it.
    func reload(_ configuration: Configuration) -> ReloadOutcome

    /// Takes nothing new, and finishes what was taken. Blocks until that is done.
    func drain()

    /// Ends its threads and gives back what it has. The last call.
    func stop()

    /// Takes the start back, as a later component could not start. All were drained before.
    func undo(after error: StartupError)
}

extension Component {
    func reload(_ configuration: Configuration) -> ReloadOutcome { ReloadOutcome() }
    func drain() {}
    func stop() {}

    func undo(after error: StartupError) { stop() }
}

/// What a reload did beside putting settings in force.
struct ReloadOutcome: Equatable, Sendable {
    /// What was read again, for people: "vaults.main: TLS files".
    var reread: [String] = []
    /// What could not be: as it was before, it stays in force.
    var failures: [String] = []

    static func + (a: Self, b: Self) -> Self {
        ReloadOutcome(reread: a.reread + b.reread, failures: a.failures + b.failures)
    }
}
