/// What may be set about an embedded vault. The defaults are right for production.
package struct EmbeddedOptions: Sendable {
    /// The largest database, in bytes; nil = as large as the disk.
    package var maximumBytes: Int?
    /// Threads that read, each with a connection of its own.
    package var readers = 2
    /// Calls that may wait, for reading and for writing each.
    package var queueCapacity = 8192
    /// How often expired records are looked for.
    package var sweepInterval: Duration = .seconds(30)
    /// The most records removed in one go; a write waits for no more than that.
    package var sweepBatch = 256
    /// SQLite's layer to the operating system, below ours; tests put a faulty one in.
    package var vfs = "unix-excl"

    package init() {}
}
