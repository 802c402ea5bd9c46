/// For whom the current task asks a vault.
package enum VaultCaller {
    /// The caller's uid, whose share of the places in a vault's queue counts; nil = the daemon itself.
    @TaskLocal package static var uid: UInt32?
}
