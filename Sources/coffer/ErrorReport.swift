import Coffer
import CofferProcess

/// Errors on standard error: one line for people, one line of JSON for programs.
struct ErrorReport {
    let isJSON: Bool

    /// Errors of calls, streams and arguments, as against those of the argument parser.
    static func knows(_ error: any Error) -> Bool {
        error is CofferError || error is StreamFailure || error is InvalidText || error is CancellationError
    }

    /// Says what failed; returns the exit code, the number of the status.
    func fail(_ error: any Error) -> Int32 {
        let failure = described(error)
        if isJSON {
            write(JSON.line(ErrorOutput(failure)))
        } else {
            write("coffer: \(Printable.line(failure.description))\n")
        }
        return Int32(failure.code.rawValue)
    }

    /// Says what is wrong with the command line.
    func refuse(_ message: String, usage: String) {
        let failure = CofferError(.invalidArgument, .badField, message)
        if isJSON {
            write(JSON.line(ErrorOutput(failure)))
        } else {
            write("coffer: \(failure)\n\(usage)\n")
        }
    }

    /// A remark that is no error, for people only.
    func note(_ text: String) {
        if !isJSON { write("coffer: \(text)\n") }
    }

    private func described(_ error: any Error) -> CofferError {
        switch error {
        case let error as CofferError: error
        case let error as InvalidText: CofferError(.invalidArgument, .badField, error.description)
        case let error as StreamFailure: CofferError(.failedPrecondition, .unspecified, error.description)
        case is CancellationError: CofferError(.cancelled, .cancelled, "the call was cancelled")
        // Not shown: nobody knows what is in it.
        default: CofferError(.unknown, .unspecified, "an unexpected error")
        }
    }

    /// Nobody can be told that standard error fails.
    private func write(_ text: String) { try? StandardStream.error.write(text) }
}

private struct ErrorOutput: Encodable {
    struct Failure: Encodable {
        let status: String
        let code: UInt32
        let reason: String?
        let message: String
        let vault: String?
        let retryable: Bool
        let retryAfterMs: Int64?
        let mayHaveHappened: Bool
    }

    let error: Failure

    init(_ failure: CofferError) {
        error = Failure(
            status: failure.code.description, code: failure.code.rawValue, reason: failure.reason.told,
            message: failure.message, vault: failure.vault, retryable: failure.isRetryable,
            retryAfterMs: failure.retryAfter.map { Int64($0 / .milliseconds(1)) },
            mayHaveHappened: failure.mayHaveHappened)
    }
}
