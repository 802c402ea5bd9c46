import CofferCore

/// Why a call was turned away before it reached its vault. All are `isUnsent`.
extension Failure {
    /// How much later than others somebody may be told to come back.
    static let longestSpread = Duration.seconds(1)

    /// The breaker is open.
    static func resting(
        _ vault: String, since: BootInstant, until: BootInstant, now: BootInstant, cause: Failure?,
        spread: Double
    ) -> Failure {
        let left = until.duration(since: now)
        let what =
            cause?.effects.vault == .mistrusted
            ? "it could not prove who it is; correct what the last failure says"
            : "it kept failing; check that it runs and that this host reaches it"
        // Spread, or everybody who was told would be back in the same millisecond.
        let range = min(longestSpread, until.duration(since: since)) * spread
        let advice = left.wholeMilliseconds.addingClamped(range.wholeMilliseconds)
        let open = now.duration(since: since)
        let age = open < .milliseconds(1) ? "" : " (breaker open for \(open.text))"
        return Failure(
            .unavailable, .vaultUnreachable,
            "the vault is not asked for another \(left.text)\(age): \(what)\(last(cause))",
            vault: vault, retryable: true, retryAfterMilliseconds: max(1, advice), isUnsent: true)
    }

    /// The breaker is half-open.
    ///
    /// - Parameter rest: how long it was open before.
    static func probing(_ vault: String, rest: Duration, cause: Failure?, spread: Double) -> Failure {
        let range = min(longestSpread, max(.milliseconds(100), rest))
        return Failure(
            .unavailable, .vaultUnreachable,
            "the vault kept failing; one call is testing whether it answers again\(last(cause))",
            vault: vault, retryable: true, retryAfterMilliseconds: (range * (0.5 + spread)).wholeMilliseconds,
            isUnsent: true)
    }

    private static func last(_ cause: Failure?) -> String {
        cause.map { " (last: \($0.code.name), \($0.ofRead.message))" } ?? ""
    }

    static func queueFull(_ vault: String, queued: Int, inFlight: Int, advice: UInt32) -> Failure {
        Failure(
            .resourceExhausted, .limit,
            "\(inFlight) calls are at the vault and \(queued) wait, which is the limit; try later, or raise the vault's limits",
            vault: vault, retryable: true, retryAfterMilliseconds: advice, isUnsent: true)
    }

    static func queueShareFull(_ vault: String, share: Int, advice: UInt32) -> Failure {
        Failure(
            .resourceExhausted, .limit,
            "this uid has \(share) calls waiting for the vault, the most that one uid may have; try later, or raise limits.queue_per_uid and the vault's queue",
            vault: vault, retryable: true, retryAfterMilliseconds: advice, isUnsent: true)
    }

    static func notAdmitted(_ vault: String, waited: Duration) -> Failure {
        Failure(
            .deadlineExceeded, .deadline,
            "the time given ran out after \(waited.text) of waiting for a slot at the vault; nothing was done",
            vault: vault, retryable: true, isUnsent: true)
    }

    static func cancelled(_ vault: String) -> Failure {
        Failure(.cancelled, .cancelled, "the caller went away", vault: vault, isUnsent: true)
    }

    static func poolClosed(_ vault: String) -> Failure {
        Failure(.unavailable, .draining, "the vault is being closed", vault: vault, retryable: true, isUnsent: true)
    }
}

extension Duration {
    /// For people: whole seconds, below two seconds milliseconds.
    var text: String {
        let milliseconds = wholeMilliseconds
        return milliseconds < 2_000 ? "\(milliseconds)ms" : "\((UInt64(milliseconds) + 500) / 1_000)s"
    }
}

extension UInt32 {
    func addingClamped(_ other: UInt32) -> UInt32 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
