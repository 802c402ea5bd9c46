import CofferCore
import CofferHTTP
import Foundation
import Testing

@Suite struct HTTPClientTests {
    private func client(
        _ server: String, isSecure: Bool = false, host: String = "127.0.0.1",
        _ change: (inout HTTPEndpoint) -> Void = { _ in }
    ) throws -> HTTPClient {
        var endpoint = try HostileServers.shared.get().endpoint(server, host: host, isSecure: isSecure)
        change(&endpoint)
        return try engine.get().client(endpoint)
    }

    private func text(_ client: HTTPClient, _ request: HTTPRequest) async throws -> String {
        try await client.send(request, deadline: SystemClock().boot + .seconds(20)).text
    }

    @Test("the request on the wire is ours to the byte")
    func requestOnTheWire() async throws {
        let client = try client("plain")
        let port = try HostileServers.shared.get().ports["plain"] ?? 0
        let headers = [HTTPHeader("X-Vault-Token", "t"), HTTPHeader("X-Empty", ""), HTTPHeader("Content-Type", "a/b")]
        let body = SecretWriter.build(count: 4) { $0.append("body") }
        let request = HTTPRequest(.put, "/v1/a/../b%2F?c=d", headers: headers, body: body)
        let expected = """
            PUT /v1/a/../b%2F?c=d HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nX-Vault-Token: t\r\nX-Empty:\r\n\
            Content-Type: a/b\r\nContent-Length: 4\r\n\r\nbody
            """
        #expect(try await text(client, request) == expected)
    }

    @Test(
        "each method is sent as such",
        arguments: [
            (HTTPRequest.Method.get, ""), (.delete, ""), (.post, "Content-Length: 0\r\n"),
            (.put, "Content-Length: 0\r\n"),
            (.patch, "Content-Length: 0\r\n"),
        ])
    func methods(_ method: HTTPRequest.Method, _ length: String) async throws {
        let port = try HostileServers.shared.get().ports["plain"] ?? 0
        let seen = try await text(try client("plain"), HTTPRequest(method, "/"))
        #expect(seen == "\(method.rawValue) / HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\n\(length)\r\n")
    }

    @Test("an answer has its status, its headers by lower-case name, and its whole body")
    func answer() async throws {
        let response = try await client("good", isSecure: true, host: "localhost").send(
            .get("/big", token: "t"), deadline: SystemClock().boot + .seconds(20))
        #expect(response.status == 200)
        #expect(response.headers["x-answer"] == "Yes")
        #expect(response.body.count == 3_000_000)
    }

    @Test("a connection is kept for the next request")
    func keepsConnections() async throws {
        let client = try client("kept")
        for _ in 0..<20 { _ = try await text(client, .get(token: "t")) }
        let report = try await HostileServers.shared.get().report("kept", seconds: 0)
        #expect(report.connections == 1)
        #expect(report.requests == 20)
    }

    /// A request that may not be sent twice would fail there.
    @Test("a connection that the server has closed is not used again")
    func closedConnections() async throws {
        let client = try client("farewell", isSecure: true, host: "localhost")
        let servers = try HostileServers.shared.get()
        for number in 1...8 {
            #expect(await client.ending(HTTPRequest(.post, "/")) == .answer(status: 200, bytes: 2))
            let report = try await servers.report("farewell")
            #expect(report.open == 0)
            #expect(report.connections == number)
            // The I/O thread hears of it by itself.
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    @Test("more requests than connections wait their turn")
    func maximumConnections() async throws {
        let client = try client("many") { $0.maximumConnections = 3 }
        await withTaskGroup(of: Ending.self) { group in
            for _ in 0..<12 { group.addTask { await client.ending(.get(token: "t")) } }
            for await ending in group { #expect(ending == .answer(status: 200, bytes: 2)) }
        }
        let report = try await HostileServers.shared.get().report("many", seconds: 0)
        #expect(report.requests == 12)
        #expect(report.connections == 3)
    }

    /// Over connections of both kinds libcurl would mix up answers.
    @Test("HTTP/2 is not used, though the server has it; each request gets its own answer")
    func noHTTP2() async throws {
        let client = try client("http2", isSecure: true, host: "localhost")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<40 {
                group.addTask {
                    let seen = try await text(client, .get("/\(number)", token: "t"))
                    #expect(seen.hasPrefix("GET /\(number) HTTP/1.1\r\n"))
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("a request that waits for a connection ends at its deadline, unsent")
    func deadlineWhileWaiting() async throws {
        let client = try client("late") { $0.maximumConnections = 1 }
        async let first = client.ending(.get(token: "t"), within: .seconds(2))
        try await Task.sleep(for: .milliseconds(200))
        let second = await client.ending(.get(token: "t"), within: .milliseconds(300))
        #expect(second == .error(HTTPError(.deadline, isUnsent: true)))
        #expect(await first == .error(HTTPError(.deadline, isUnsent: false)))
    }

    @Test("a deadline in the past sends nothing")
    func deadlineInThePast() async throws {
        let ending = await (try client("plain")).ending(.get(token: "t"), within: .zero)
        #expect(ending == .error(HTTPError(.deadline, isUnsent: true)))
    }

    @Test("a cancelled task closes the connection")
    func cancellation() async throws {
        let client = try client("cancelled")
        let task = Task { await client.ending(.get(token: "t")) }
        let servers = try HostileServers.shared.get()
        for _ in 0..<500 where try await servers.report("cancelled", seconds: 0).plain.isEmpty {
            try await Task.sleep(for: .milliseconds(10))
        }
        task.cancel()
        #expect(await task.value == .error(HTTPError(.cancelled, isUnsent: false)))
        #expect(try await servers.report("cancelled").open == 0)
    }

    @Test("a task cancelled before sends nothing")
    func cancelledBefore() async throws {
        let client = try client("plain")
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return await client.ending(.get(token: "t"))
        }
        task.cancel()
        #expect(await task.value == .error(HTTPError(.cancelled, isUnsent: true)))
    }

    @Test("a port that nobody listens on, and a name that nobody has")
    func unreachable() async throws {
        let closed = HTTPEndpoint(origin: HTTPOrigin(isSecure: true, host: "127.0.0.1", port: 1))
        let unknown = HTTPEndpoint(origin: HTTPOrigin(isSecure: true, host: "vault.invalid", port: 443))
        let engine = try engine.get()
        #expect(
            await (try engine.client(closed)).ending(.get(token: "t")) == .error(HTTPError(.refused, isUnsent: true)))
        #expect(
            await (try engine.client(unknown)).ending(.get(token: "t"))
                == .error(HTTPError(.unresolved, isUnsent: true)))
    }

    @Test(
        "a kept connection that breaks: a GET is sent again, a POST is not",
        arguments: [
            ("stale_get", HTTPRequest.Method.get, Ending.answer(status: 200, bytes: 2)),
            ("stale_post", .post, .error(HTTPError(.interrupted, isUnsent: false))),
        ])
    func staleConnection(_ server: String, _ method: HTTPRequest.Method, _ ending: Ending)
        async throws
    {
        let client = try client(server)
        #expect(await client.ending(HTTPRequest(method, "/")) == .answer(status: 200, bytes: 2))
        #expect(await client.ending(HTTPRequest(method, "/")) == ending)
        let report = try await HostileServers.shared.get().report(server, seconds: 0)
        // The POST's second connection was made, and closed without a request on it.
        #expect(report.requests == (method == .get ? 3 : 2))
    }

    /// Begun by the thread that asks: the one that waits for answers must hear of it.
    @Test("a kept connection that falls silent: the deadline counts, and a cancelled task ends at once")
    func silentConnection() async throws {
        let (late, cancelled) = (try client("tiring"), try client("tiring"))
        for client in [late, cancelled] {
            #expect(await client.ending(HTTPRequest(.get, "/")) == .answer(status: 200, bytes: 2))
        }
        try await Task.sleep(for: .milliseconds(200))
        let start = ContinuousClock.now
        let ending = await late.ending(HTTPRequest(.get, "/"), within: .milliseconds(300))
        #expect(ending == .error(HTTPError(.deadline, isUnsent: false)))
        let task = Task { await cancelled.ending(HTTPRequest(.get, "/"), within: .seconds(20)) }
        try await Task.sleep(for: .milliseconds(100))
        task.cancel()
        #expect(await task.value == .error(HTTPError(.cancelled, isUnsent: false)))
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test("requests from many tasks, now one, now several at a time, are all answered")
    func manyTasks() async throws {
        let client = try client("busy")
        await withTaskGroup(of: Int.self) { group in
            for task in 0..<8 {
                group.addTask {
                    var answered = 0
                    for request in 0..<50 {
                        if case .answer(status: 200, _) = await client.ending(.get(token: "t")) { answered += 1 }
                        if request % 10 == task { try? await Task.sleep(for: .milliseconds(20)) }
                    }
                    return answered
                }
            }
            for await answered in group { #expect(answered == 50) }
        }
    }

    @Test("over a Unix socket, in plain http")
    func unixSocket() async throws {
        let servers = try HostileServers.shared.get()
        var endpoint = HTTPEndpoint(origin: HTTPOrigin(isSecure: false, host: "vault", port: 80))
        endpoint.unixSocket = servers.folder + "/socket"
        let client = try engine.get().client(endpoint)
        #expect(try await text(client, HTTPRequest(.get, "/x")) == "GET /x HTTP/1.1\r\nHost: vault\r\n\r\n")
    }

    @Test("a client certificate is shown where it is asked for, and its lack refused")
    func clientCertificate() async throws {
        let folder = try HostileServers.shared.get().folder
        let named = try client("mutual", isSecure: true) {
            $0.certificateFile = folder + "/client.pem"
            $0.certificateKeyFile = folder + "/client.key"
        }
        #expect(try await text(named, HTTPRequest(.get, "/")).hasPrefix("GET / HTTP/1.1"))
        let nameless = try client("mutual", isSecure: true) { _ in }
        guard case .error = await nameless.ending(.get(token: "t")) else {
            Issue.record("a server that asks for a certificate answered without one")
            return
        }
    }

    @Test("files that were read already are used, and others from the moment on that they are replaced")
    func filesInMemory() async throws {
        let folder = try HostileServers.shared.get().folder
        func secret(_ name: String) throws -> Secret {
            try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")).withUnsafeBytes { Secret(copying: $0) }
        }
        let right = TLSFiles.Content(
            authority: try secret("root.pem"), certificate: try secret("client.pem"), key: try secret("client.key"))
        var wrong = right
        wrong.authority = try secret("client.pem")
        let files = TLSFiles(wrong)
        let client = try client("mutual", isSecure: true) {
            $0.authorityFile = "/absent/ca.pem"
            $0.certificateFile = "/absent/client.pem"
            $0.certificateKeyFile = "/absent/client.key"
            $0.files = files
        }
        func isTrusted() async -> Bool {
            if case .answer(status: 200, _) = await client.ending(.get(token: "t")) { true } else { false }
        }
        #expect(await !isTrusted())
        #expect(files.replace(with: right))
        #expect(await isTrusted())
        #expect(!files.replace(with: right))
        #expect(await isTrusted())
        #expect(files.replace(with: wrong))
        #expect(await !isTrusted())
    }

    @Test("the name in TLS may be another than the host")
    func serverName() async throws {
        let client = try client("renamed", isSecure: true) { $0.serverName = "vault.example" }
        let port = try HostileServers.shared.get().ports["renamed"] ?? 0
        #expect(try await text(client, HTTPRequest(.get, "/")).contains("\r\nHost: 127.0.0.1:\(port)\r\n"))
    }

    @Test("a proxy that is set is asked for a tunnel, and sees no header of ours")
    func proxy() async throws {
        let servers = try HostileServers.shared.get()
        let token = makeToken()
        let client = try client("good", isSecure: true) { $0.proxy = servers.origin("proxy", isSecure: false) }
        #expect(await client.ending(.get(token: token), within: .seconds(3)) != .answer(status: 200, bytes: 0))
        let report = try await servers.report("proxy")
        #expect(report.connections == 1)
        #expect(report.contains("CONNECT 127.0.0.1:"))
        #expect(!report.contains(token))
    }

    @Test("another origin only if it is allowed")
    func otherOrigin() async throws {
        let servers = try HostileServers.shared.get()
        let request = HTTPRequest(.get, "/", origin: servers.origin("ready", isSecure: false))
        let rule = "a redirect to an origin that is not allowed for this vault"
        #expect(await (try client("plain")).ending(request) == .error(HTTPError(.forbidden(rule), isUnsent: true)))
        let allowed = try client("plain") { $0.allowedOrigins = [servers.origin("ready", isSecure: false)] }
        guard case .answer(status: 200, _) = await allowed.ending(request) else {
            Issue.record("an allowed origin was not asked")
            return
        }
        #expect(try await servers.report("ready", seconds: 0).requests == 1)
    }

    @Test(
        "what could smuggle a second request is refused unsent",
        arguments: [
            HTTPRequest(.get, "/", headers: [HTTPHeader("X-A", "b\r\nX-C: d")]),
            HTTPRequest(.get, "/", headers: [HTTPHeader("X-A", "b\n")]),
            HTTPRequest(.get, "/", headers: [HTTPHeader("X-A", "b\0c")]),
            HTTPRequest(.get, "/", headers: [HTTPHeader("X-A: b\r\nX-C", "d")]),
            HTTPRequest(.get, "/", headers: [HTTPHeader("", "d")]),
            HTTPRequest(.get, "/", headers: [HTTPHeader("Content-Length", "5")]),
            HTTPRequest(.get, "/", headers: [HTTPHeader("Transfer-Encoding", "chunked")]),
            HTTPRequest(.get, "/ HTTP/1.1\r\nX: y"), HTTPRequest(.get, "/a b"), HTTPRequest(.get, "/a\u{7f}"),
            HTTPRequest(.get, "/ü"), HTTPRequest(.get, "/a#b"), HTTPRequest(.get, "@evil.example/"),
            HTTPRequest(.get, ""),
        ])
    func injection(_ request: HTTPRequest) async throws {
        guard case .error(let error) = await (try client("unused")).ending(request), case .forbidden = error.cause
        else {
            Issue.record("a request that could be two was not refused")
            return
        }
        #expect(error.isUnsent)
    }

    @Test("an engine that nobody else keeps runs for its clients")
    func keptEngine() async throws {
        var endpoint = HTTPEndpoint(origin: HTTPOrigin(isSecure: true, host: "127.0.0.1", port: 1))
        endpoint.allowsLoopback = true
        let client = try HTTPEngine.started().client(endpoint)
        #expect(await client.ending(.get(token: "t")) == .error(HTTPError(.refused, isUnsent: true)))
    }

    @Test("a closed engine ends what runs, and answers nothing more")
    func close() async throws {
        let engine = try HTTPEngine.started()
        let client = try engine.client(HostileServers.shared.get().endpoint("closed_in", isSecure: true))
        let running = Task { await client.ending(.get(token: "t")) }
        try await Task.sleep(for: .milliseconds(200))
        engine.close()
        #expect(await running.value == .error(HTTPError(.closed, isUnsent: true)))
        #expect(await client.ending(.get(token: "t")) == .error(HTTPError(.closed, isUnsent: true)))
    }
}
