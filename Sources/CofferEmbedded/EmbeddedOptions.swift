internal import CofferVaultKit

/// What may be set about an embedded vault. The defaults are right for production.
package struct EmbeddedOptions: Sendable {
    /// The largest database, in bytes; nil = as large as the disk.
    package var maximumBytes: Int?
    /// Threads that read, each with a connection of its own.
    package var readers = 2
    /// Calls that may wait, for reading and for writing each.
    package var queueCapacity = 8192
    /// A call that had less time than this, and ran out of it, says nothing about the disk.
    package var patience: Duration = .seconds(1)
    /// How often expired records are looked for.
    package var sweepInterval: Duration = .seconds(30)
    /// How long the wall clock must have kept pace with the clock that counts from boot
    /// before an expired record is removed by it: removing cannot be undone.
    package var sweepPatience: Duration = .seconds(3_600)
    /// The most records removed in one go; a write waits for no more than that.
    package var sweepBatch = 256
    /// SQLite's layer to the operating system, below ours; tests put a faulty one in.
    package var vfs = "unix-excl"

    package init() {}
}
