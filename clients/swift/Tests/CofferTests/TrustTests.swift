import Glibc
import Testing

@testable import Coffer

/// Runs as root, for it gives sockets to other users.
@Suite("Whose socket it is")
struct TrustTests {
    private static let stranger: uid_t = 54_321

    private func description(_ configuration: CofferConfiguration) async -> String {
        let client = CofferClient(configuration: configuration)
        let error = await #expect(throws: CofferError.self) { try await client.text() }
        return error?.description ?? ""
    }

    @Test("a socket of another user is sent nothing, unless that user is trusted")
    func foreignSocket() async throws {
        try #require(geteuid() == 0, "run the tests as root")
        try await withDaemon(answerGets) { _, daemon in
            chown(daemon.path, Self.stranger, Self.stranger)
            var configuration = CofferConfiguration(socketPath: daemon.path)
            #expect(
                await description(configuration)
                    == "FAILED_PRECONDITION: the socket \(daemon.path) belongs to uid 54321, expected 0 (root); if that uid is trusted with credentials, set COFFER_SERVER_UID=54321"
            )
            configuration.serverUserID = 7
            #expect(await description(configuration).contains("expected 0 (root) or 7 (serverUserID); if"))
            #expect(daemon.connectionCount == 0)
            configuration.serverUserID = Self.stranger
            try await CofferClient(configuration: configuration).expectEcho("c")
        }
    }

    @Test("what is in the way is said, and what to do", arguments: [
        ("/nonexistent/coffer.sock", "UNAVAILABLE: cofferd is not running at %; start it, or set COFFER_SOCKET"),
        ("/dev/null/coffer.sock", "UNAVAILABLE: cofferd is not running at %; start it, or set COFFER_SOCKET"),
        ("/dev/null", "FAILED_PRECONDITION: % is not a socket of cofferd; move it away, or set COFFER_SOCKET"),
        ("", "INVALID_ARGUMENT: the path of the socket has 0 bytes, expected 1 to 107; set COFFER_SOCKET to another one"),
    ])
    func messages(path: String, text: String) async {
        let parts = text.split(separator: "%", omittingEmptySubsequences: false)
        #expect(await description(CofferConfiguration(socketPath: path)) == parts.joined(separator: path))
    }
}
