import CofferCore
import CofferHTTP
import Dispatch
import Foundation

/// The servers of `Servers/hostile.py`: one process for all tests, which ends
/// when its standard input closes.
final class HostileServers: Sendable {
    /// What one server received.
    struct Report: Decodable {
        var connections: Int
        /// Connections that are not closed yet.
        var open: Int
        /// Connections that the client has reset.
        var resets: Int
        var requests: Int
        /// Bytes that the kernel has taken from it.
        var sent: Int
        /// Hexadecimal: every byte on the wire; every byte after decryption.
        var wire: String
        var plain: String

        func contains(_ text: String) -> Bool {
            let hex = text.utf8.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            return wire.contains(hex) || plain.contains(hex)
        }
    }

    private struct Pipes: @unchecked Sendable {
        // Used on the queue only, once made.
        let input: FileHandle
        let output: FileHandle

        func line() -> Data {
            var line = Data()
            while let byte = try? output.read(upToCount: 1), byte != Data([10]), !byte.isEmpty { line += byte }
            return line
        }
    }

    static let shared = Result { try HostileServers() }

    let folder: String
    let ports: [String: UInt16]
    private let pipes: Pipes
    /// Waits for the servers, so that no test's thread does.
    private let queue = DispatchQueue(label: "hostile-servers")

    private init() throws {
        folder = FileManager.default.temporaryDirectory.path + "/coffer-http-\(UUID().uuidString)"
        let (process, input, output) = (Process(), Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Servers/hostile.py"
        process.arguments = ["python3", "-B", script, folder]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let pipes = Pipes(input: input.fileHandleForWriting, output: output.fileHandleForReading)
        ports = try JSONDecoder().decode([String: UInt16].self, from: pipes.line())
        self.pipes = pipes
    }

    /// What the server received, once its connections are closed or `seconds` have passed.
    func report(_ server: String, seconds: Double = 5) async throws -> Report {
        try await ask("report \(server) \(seconds)")
    }

    /// The same after a client that checks nothing has called it with `token`.
    func visited(_ server: String, token: String) async throws -> Report { try await ask("visit \(server) \(token)") }

    /// Lets a server whose behaviour waits for it take a step.
    func step(_ server: String) async throws { _ = try await ask("step \(server) 1") }

    private func ask(_ command: String) async throws -> Report {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { [pipes] in
                continuation.resume(
                    with: Result {
                        try pipes.input.write(contentsOf: Data((command + "\n").utf8))
                        return try JSONDecoder().decode(Report.self, from: pipes.line())
                    })
            }
        }
    }

    func origin(_ server: String, host: String = "127.0.0.1", isSecure: Bool = true) -> HTTPOrigin {
        HTTPOrigin(isSecure: isSecure, host: host, port: ports[server] ?? 0)
    }

    /// An endpoint that trusts the tests' authority.
    func endpoint(_ server: String, host: String = "127.0.0.1", isSecure: Bool = true) -> HTTPEndpoint {
        var endpoint = HTTPEndpoint(origin: origin(server, host: host, isSecure: isSecure))
        endpoint.authorityFile = folder + "/root.pem"
        return endpoint
    }
}

/// One engine for all tests, as in the daemon.
let engine = Result { try HTTPEngine.started() }

/// What a request ends with.
enum Ending: Equatable {
    case answer(status: Int, bytes: Int)
    case error(HTTPError)
}

extension HTTPClient {
    /// Sends with a credential, and says how it ended.
    func ending(_ request: HTTPRequest, within time: Duration = .seconds(20)) async -> Ending {
        do {
            let response = try await send(request, deadline: SystemClock().boot + time)
            return .answer(status: response.status, bytes: response.body.count)
        } catch {
            return .error(error)
        }
    }
}

/// "hvs." and random digits, as a credential of a vault looks.
func makeToken() -> String { "hvs.\(UUID().uuidString)" }

extension HTTPRequest {
    static func get(_ path: String = "/", token: String) -> HTTPRequest {
        HTTPRequest(.get, path, headers: [HTTPHeader("X-Vault-Token", token)])
    }
}

extension HTTPResponse {
    var text: String { body.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}
