import CofferCore
import CofferHTTP
import Testing

/// Requests that are given up while the kernel still has some of them to send: nobody may see them arrive later.
@Suite(.timeLimit(.minutes(1))) struct GivenUpTests {
    /// More than a server's kernel takes for it while it does not read.
    private static let bodyBytes = 8 << 20

    @Test(
        "what is given up is not sent later",
        arguments: [
            ("held_late", HTTPError.Cause.deadline), ("held_late_tls", .deadline), ("held_cancelled", .cancelled),
            ("held_cancelled_tls", .cancelled), ("held_slow", .interrupted), ("held_slow_tls", .interrupted),
        ])
    func whatIsGivenUpIsNotSent(_ server: String, _ cause: HTTPError.Cause) async throws {
        let servers = try HostileServers.shared.get()
        var endpoint = servers.endpoint(server, isSecure: server.hasSuffix("tls"))
        if cause == .interrupted {
            // libcurl ends it, and closes the connection before anybody here hears of that.
            (endpoint.lowSpeedTime, endpoint.lowSpeedBytesPerSecond) = (.seconds(1), 1_000_000_000)
        }
        let client = try engine.get().client(endpoint)
        let body = SecretWriter.build(count: Self.bodyBytes) { writer in
            for _ in 0..<Self.bodyBytes / 64 { writer.append("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef") }
        }
        let task = Task {
            await client.ending(
                HTTPRequest(.post, "/", body: body), within: cause == .deadline ? .seconds(1) : .seconds(20))
        }
        if cause == .cancelled {
            while try await servers.report(server, seconds: 0).requests == 0 {
                try await Task.sleep(for: .milliseconds(10))
            }
            try await Task.sleep(for: .milliseconds(200))
            task.cancel()
        }
        #expect(await task.value == .error(HTTPError(cause, isUnsent: false)))
        try await servers.step(server)
        let report = try await servers.report(server)
        #expect(report.open == 0 && report.resets == 1)
    }

    @Test("a connection that has done its work is not reset", arguments: ["rested", "rested_tls"])
    func answeredConnectionsAreNotReset(_ server: String) async throws {
        let servers = try HostileServers.shared.get()
        do {
            let client = try engine.get().client(servers.endpoint(server, isSecure: server.hasSuffix("tls")))
            #expect(await client.ending(.get(token: "t")) == .answer(status: 200, bytes: 2))
        }
        let report = try await servers.report(server)
        #expect(report.connections == 1 && report.open == 0 && report.resets == 0)
    }
}
