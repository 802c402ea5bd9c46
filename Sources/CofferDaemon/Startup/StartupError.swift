package import CofferCore
internal import CofferCrypto

/// Why the daemon does not start, in one line or one for each mistake, and the exit code that says so:
/// 78 for what the operator set, 1 for the rest.
package struct StartupError: Error, CustomStringConvertible, Sendable {
    package let message: String
    package let exitCode: Int32

    package init(_ message: String, exitCode: Int32 = 1) {
        self.message = message
        self.exitCode = exitCode
    }

    package init(_ failure: Failure, exitCode: Int32 = 1) {
        self.init(failure.message, exitCode: exitCode)
    }

    init(_ error: KeyError) {
        self.init(error.description, exitCode: error.isOfHost ? 1 : Self.configurationExitCode)
    }

    package var description: String { message }

    /// EX_CONFIG of sysexits.h.
    package static let configurationExitCode: Int32 = 78
}
