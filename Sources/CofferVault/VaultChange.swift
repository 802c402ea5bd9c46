package import CofferCore

/// What a vault tells of its own accord: see ``VaultAdapter/changes``.
package enum VaultChange: Hashable, Sendable {
    /// This record was written or removed.
    case record(RecordKey)
    /// Every record may have been: the vault was not heard for a while, or had too much to tell.
    case everything
}

/// Changes in the order in which they became known. Duties of a vault that has them:
/// - The first element is ``VaultChange/everything``: what was changed before is not known.
/// - Every write and removal of another program comes as `record` or, where it was missed or its key
///   is not known, as `everything`. Those of this adapter may be left out.
/// - It does not end before `close`, and then it does. An adapter that loses the vault's feed
///   connects again, and then says `everything`, unless it goes on where it was.
/// - It takes bounded memory, however slowly it is read.
/// - Each iterator gets all of it.
///
/// `ChangeFeed` of CofferVaultKit keeps all but the second.
package typealias VaultChanges = any AsyncSequence<VaultChange, Never> & Sendable
