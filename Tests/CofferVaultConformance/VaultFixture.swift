package import CofferCore
package import CofferVault

/// How the conformance suite gets at the vault it examines.
///
/// Nothing is assumed but the protocol: the vault may be in another process or
/// on another host, may keep what has expired for a while, and may hold records
/// of others beside those of the suite.
package protocol VaultFixture: Sendable {
    /// The vault's clock; time in it passes through `advance` and else slowly or
    /// not at all.
    var clock: any Clock { get }

    /// Lets this much time pass for the vault.
    func advance(milliseconds: UInt64) async throws

    /// How exact expiry is, in milliseconds.
    var expiryStep: UInt64 { get }

    /// A vault without records of ours. May be called more than once.
    func open() async throws -> any VaultAdapter

    /// The same vault again, after it was closed; nil if nothing survives that.
    func reopen() async throws -> (any VaultAdapter)?

    /// An adapter of the vault that was opened last, as another daemon has one at the same time; nil if
    /// there can be none. A vault that tells of changes needs one.
    func another() async throws -> (any VaultAdapter)?
}

extension VaultFixture {
    package func another() async throws -> (any VaultAdapter)? { nil }
}
