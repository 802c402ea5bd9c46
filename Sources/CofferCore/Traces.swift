import CLinux

/// What finished calls leave behind: copies of secrets on this thread's stack and
/// in its vector registers, made by compilers and libraries, that no owner wipes.
package enum Traces {
    /// Clears them, below the caller. Takes about as long as writing 48 KiB.
    package static func forget() { coffer_forget_traces() }
}
