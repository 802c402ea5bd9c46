package import CofferCore

/// Keeps what takes long with a large answer, or with a large record that is to be sent, from the thread that the call runs
/// on, which serves others too: a bulk read may be of 8 MiB.
package enum LargeAnswer {
    /// Answers up to this many bytes are looked at where they are: about as many as the largest credential has by default.
    /// A choice; how long that takes was not measured.
    package static let smallestBytes = 64 << 10

    /// What `work` gives, on a thread of the concurrent pool if it is about more than ``smallestBytes``.
    package nonisolated(nonsending)
        static func look<R: Sendable>(at bytes: Int, _ work: @escaping @Sendable () -> R) async -> R
    {
        guard bytes > smallestBytes else { return work() }
        return await Task.detached {
            defer { StackScrubber.scrub() }
            return work()
        }.value
    }

    /// The same for work that may fail.
    package nonisolated(nonsending)
        static func tryLook<R: Sendable>(
            at bytes: Int, _ work: @escaping @Sendable () throws(Failure) -> R
        ) async throws(Failure) -> R
    {
        try await look(at: bytes) { Result { () throws(Failure) in try work() } }.get()
    }
}

/// The JSON of an answer, with its size: see ``LargeAnswer``.
package struct JSONAnswer: Sendable {
    package let json: JSON
    /// Of the whole body.
    package let bytes: Int

    /// - Returns: nil if the body is no object.
    package nonisolated(nonsending)
        init?(_ body: Secret) async
    {
        let json = await LargeAnswer.look(at: body.count) { try? JSON.parse(answer: body) }
        guard let json, json.members != nil else { return nil }
        self.json = json
        bytes = body.count
    }

    package subscript(name: String) -> JSON? { json[name] }

    /// What `work` makes of it, away from the thread of the call if it is large.
    package nonisolated(nonsending)
        func look<R: Sendable>(_ work: @escaping @Sendable (JSON) -> R) async -> R
    {
        await LargeAnswer.look(at: bytes) { [json] in work(json) }
    }
}
