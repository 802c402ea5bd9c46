import ArgumentParser
import Coffer
import CofferCommandLine
import CofferProcess

/// The options of every command: how to reach the daemon, and how to print.
struct DaemonOptions: ParsableArguments {
    /// What the client reads from the environment to find the socket.
    private static let socketVariables = ["COFFER_SOCKET", "XDG_RUNTIME_DIR"]
    private static let longestWait = Duration.seconds(600)

    @Option(help: ArgumentHelp(
        "The daemon's socket. (default: $COFFER_SOCKET, else $XDG_RUNTIME_DIR/coffer/coffer.sock, else as the manual says)",
        valueName: "path"))
    var socket: String?

    @Option(help: ArgumentHelp("How long to wait for an answer; a bare number is seconds.", valueName: "duration"))
    var timeout = SecondsOption(.seconds(10))

    @Flag(help: "Print JSON, errors too.")
    var json = false

    func validate() throws {
        guard wait > .zero, wait <= Self.longestWait else {
            throw ValidationError.checked("--timeout: expected more than 0s and at most 10m")
        }
        guard socket != "" else { throw ValidationError.checked("--socket: expected a path, got an empty one") }
    }

    var wait: Duration { timeout.duration }

    var report: ErrorReport { ErrorReport(isJSON: json) }

    /// Runs `body` with a client.
    ///
    /// - Throws: what `body` does; `InvalidText` if the environment is not UTF-8.
    func withClient(
        _ body: (CofferClient<UnixSocketChannel>) async throws -> Void
    ) async throws {
        if socket == nil {
            for name in Self.socketVariables { _ = try ProcessInput.variable(name) }
        }
        let client = socket.map { CofferClient(socketPath: $0) } ?? CofferClient()
        defer { client.close() }
        try await body(client)
    }
}
