import CofferCore

/// What is known of one key outside the cache: the measure of what it answers.
struct KeyModel {
    /// A time when the vault surely had no such record.
    struct Absence {
        let startedAt: BootInstant
        let startStep: Int
        let readStep: Int
    }

    /// The newest version that was acknowledged to a client.
    var floor = 0
    /// What the vault's last definite no was about.
    var refusedReadStep = -1
    var invalidatedStep = -1
    /// When a write ended of which nobody knows whether it was done.
    var doubtedStep = -1
    var absences: [Absence] = []
    /// The flight that whoever asks now has to share.
    var shared: UInt64?
    var failedAt: BootInstant?
    /// A stale value that must be given until then.
    var mustServe: (until: BootInstant, print: Int)?
    /// When somebody was told to refresh which print.
    var refreshTold: (at: BootInstant, print: Int)?

    /// As after a start of the daemon; what clients know stays.
    mutating func forget() {
        absences = []
        shared = nil
        failedAt = nil
        mustServe = nil
        refreshTold = nil
    }
}
