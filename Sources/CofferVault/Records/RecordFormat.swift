/// How a record lies in its vault.
package enum RecordFormat: String, Hashable, Sendable, CaseIterable {
    /// An envelope: nobody but this daemon can read or change it.
    case sealed
    /// The credential's own JSON object, in the clear for everybody who may read the vault.
    case json
    /// The predecessor's encryption of the credential: see `LegacyFormat`.
    case legacyAES = "legacy-aes"
}
