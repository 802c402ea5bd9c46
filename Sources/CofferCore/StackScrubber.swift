import CLinux

/// What finished calls leave behind: copies of secrets on this thread's stack and
/// in its vector registers, made by compilers and libraries, that no owner wipes.
package enum StackScrubber {
    /// Clears them, below the caller. Takes about as long as writing 48 KiB.
    package static func scrub() { coffer_scrub_stack() }
}
