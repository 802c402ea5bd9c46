import CofferAccess
import CofferCore
import CofferCrypto
import Logging

/// What all reactors share. Everything in it may be used from any thread.
struct ServerContext: Sendable {
    let limits: ServerLimits
    /// See `Server.Configuration`.
    let spin: Duration
    let policy: any AccessPolicy
    let ledger: UIDLedger
    let budget: BufferBudget
    let credentials: CredentialService
    let admin: AdminService
    let bootKey: BootKey
    let clock: any Clock
    let log: Logger
}
