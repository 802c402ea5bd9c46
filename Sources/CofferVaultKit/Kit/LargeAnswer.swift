internal import CofferCore

/// Keeps what takes long with a large answer from the thread that the call runs on, which serves others too: a bulk read
/// may be of 8 MiB.
package enum LargeAnswer {
    /// Answers up to this many bytes are looked at where they are: about as many as the largest credential has by default.
    /// A choice; how long that takes was not measured.
    package static let smallestBytes = 64 << 10

    /// What `work` gives, on a thread of the concurrent pool if the answer is large.
    package static func look<R: Sendable>(at bytes: Int, _ work: @escaping @Sendable () -> R) async -> R {
        guard bytes > smallestBytes else { return work() }
        return await Task.detached {
            defer { StackScrubber.scrub() }
            return work()
        }.value
    }
}
