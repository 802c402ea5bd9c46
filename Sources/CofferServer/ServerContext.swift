import CofferCore
import Logging

/// What all reactors share. Everything in it may be used from any thread.
struct ServerContext: Sendable {
    let limits: ServerLimits
    /// See `Server.Configuration`.
    let spin: Duration
    let ledger: UIDLedger
    let budget: BufferBudget
    let clock: any Clock
    let log: Logger
    let access: AccessControl
    /// Looks at every call that ends.
    var observer: (any CallObserver)?
}
