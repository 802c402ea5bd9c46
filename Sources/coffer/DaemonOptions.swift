import ArgumentParser
import Coffer

/// What every command takes: how to reach the daemon, and how to print.
struct DaemonOptions: ParsableArguments {
    @Option(help: ArgumentHelp(
        "The daemon's socket. (default: $COFFER_SOCKET, else $XDG_RUNTIME_DIR/coffer/coffer.sock, else as the manual says)",
        valueName: "path"))
    var socket: String?

    @Option(help: ArgumentHelp("Seconds to wait for an answer.", valueName: "seconds"))
    var timeout: Double = 10

    @Flag(help: "Print JSON, for programs.")
    var json = false

    func validate() throws {
        guard timeout > 0, timeout <= 600 else {
            throw ValidationError("--timeout: expected more than 0 and at most 600 seconds, got \(timeout)")
        }
    }

    var wait: Duration { .milliseconds(Int64((timeout * 1_000).rounded(.up))) }

    /// Runs `body` with a client; a failed call becomes a line on standard error
    /// and its status code as the exit code.
    func withClient(
        _ body: (CofferClient<UnixSocketChannel>) async throws -> Void
    ) async throws {
        let client =
            socket.map { CofferClient(socketPath: $0) } ?? CofferClient()
        defer { client.close() }
        do {
            try await body(client)
        } catch let error as CofferError {
            Standard.error("coffer: \(error)\n")
            throw ExitCode(Int32(error.code.rawValue))
        }
    }
}
