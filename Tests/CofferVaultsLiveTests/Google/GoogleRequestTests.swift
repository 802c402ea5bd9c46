import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultKit
import Foundation
import Testing

@testable import CofferGoogle

/// For each operation the adapter sends what Google's own client sends (`google_interop.sent`). The differences are
/// all here, each with its reason.
@Suite struct GoogleRequestTests {
    private struct Sent: Decodable, Equatable {
        let method: String
        let path: String
        var headers: [String: String]
        let body: String
    }

    /// Headers that mean something to the service. Of the others, which only the client sends:
    /// - `x-goog-api-client` counts versions of the client;
    /// - `x-goog-request-params` repeats the name in the path, for routing gRPC, where there is no path;
    /// - `user-agent`, `accept`, `accept-encoding`: of its HTTP library. An answer is never compressed here, so that no
    ///   secret is compressed beside others' text.
    private static let meaningful: Set = ["authorization", "content-type", "x-goog-user-project", "metadata-flavor"]

    private let expected: [String: Sent]

    init() throws {
        let content = try #require(FileManager.default.contents(atPath: try GoogleLive.variable("REQUESTS")))
        expected = try JSONDecoder().decode([String: Sent].self, from: content)
    }

    /// What a request means.
    private struct Meaning: Equatable {
        var method: String
        var path: String
        var query: [String: String]
        var headers: [String: String]
        var body: NSObject?
    }

    private func meaning(_ sent: Sent) throws -> Meaning {
        let parts = try #require(URLComponents(string: sent.path))
        var headers = sent.headers.filter { Self.meaningful.contains($0.key) }
        if headers["authorization"] != nil { headers["authorization"] = "Bearer" }
        // The client says what an empty body would be.
        if sent.body.isEmpty { headers["content-type"] = nil }
        var query = Dictionary((parts.queryItems ?? []).map { ($0.name, $0.value ?? "") }) { $1 }
        // The client reads states as numbers; we read their names.
        if query["$alt"] == "json;enum-encoding=int" { query["$alt"] = nil }
        return Meaning(
            method: sent.method, path: parts.path, query: query, headers: headers,
            body: try Self.body(sent.body, isForm: headers["content-type"] == "application/x-www-form-urlencoded"))
    }

    private static func body(_ text: String, isForm: Bool) throws -> NSObject? {
        if text.isEmpty { return nil }
        guard !isForm else {
            let items = URLComponents(string: "?" + text.replacingOccurrences(of: "+", with: "%20"))?.queryItems ?? []
            return Dictionary(uniqueKeysWithValues: items.map { ($0.name, $0.name == "assertion" ? "JWT" : $0.value ?? "") }) as NSDictionary
        }
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: NSObject]
        // What is null says nothing.
        guard var object = object?.filter({ !($0.value is NSNull) }) else { return nil }
        // Of another version.
        if object["etag"] != nil { object["etag"] = "ETAG" as NSString }
        return object as NSDictionary
    }

    private func ours(_ request: HTTPRequest) throws -> Meaning {
        var headers: [String: String] = [:]
        for header in request.headers { headers[header.name.lowercased()] = header.value.text }
        return try meaning(Sent(method: request.method.rawValue, path: request.path, headers: headers, body: request.body?.text ?? ""))
    }

    private func compare(_ request: HTTPRequest?, _ operation: String) throws {
        let ours = try ours(try #require(request, "nothing was sent for \(operation)"))
        #expect(ours == (try meaning(try #require(expected[operation]))), "\(operation)")
    }

    @Test func recordsAreAskedForAsTheClientDoes() async throws {
        let recorder = Recorder()
        let vault = try GoogleLive.vault(prefix: "ai2-connectors", change: { $0.versionsKept = 1 }, recorder: recorder)
        let key = try GoogleLive.key("sdk", "requests")
        let text = GoogleLive.text(#"{"apiKey":"sk_123","secret":"sec_456"}"#)
        func write() async throws(Failure) {
            _ = try await vault.write(key, GoogleLive.item("v", text), condition: .none, deadline: GoogleLive.deadline)
        }
        try await write()
        try await write()
        let other = try GoogleLive.vault(prefix: "ai2-connectors", recorder: recorder)
        _ = try await other.read(key, deadline: GoogleLive.deadline)
        // A version's own number is asked for where "latest" lags: shown by a client of one.
        _ = try await vault.version("1", of: vault.names.name(of: key.key), GoogleLive.deadline)
        _ = try await vault.remove(key, ifVersion: nil, deadline: GoogleLive.deadline)
        func first(_ method: HTTPRequest.Method, _ part: String) -> HTTPRequest? {
            recorder.requests.first { $0.method == method && $0.path.contains(part) }
        }
        try compare(first(.post, "secretId="), "create")
        try compare(first(.post, ":addVersion"), "addVersion")
        try compare(first(.get, "latest:access"), "access")
        try compare(first(.get, "/1:access"), "accessNumber")
        try compare(first(.post, ":destroy"), "destroy")
        try compare(recorder.requests.last { $0.method == .delete }, "delete")
        let described = try #require(recorder.requests.first { $0.method == .get && $0.path.hasSuffix("/versions/2") })
        #expect(try ours(described).headers == (try meaning(try #require(expected["getVersion"]))).headers)
    }

    @Test func aRegionalSecretIsMadeAsTheClientDoes() async throws {
        let recorder = Recorder()
        let vault = try GoogleLive.vault(prefix: "ai2-connectors", change: { $0.location = "europe-west3" }, recorder: recorder)
        let key = try GoogleLive.key("sdk", "requests")
        _ = try await vault.write(key, GoogleLive.item("v"), condition: .none, deadline: GoogleLive.deadline)
        _ = try await vault.remove(key, ifVersion: nil, deadline: GoogleLive.deadline)
        try compare(recorder.requests.first { $0.path.contains("secretId=") }, "createRegional")
    }

    /// But for the second part of the filter: the names of long ids.
    @Test func listsAreAskedForAsTheClientDoes() async throws {
        let recorder = Recorder()
        let vault = try GoogleLive.vault(prefix: "ai2-connectors", recorder: recorder)
        _ = try await vault.list(user: VaultUser(id: "sdk", tag: []), after: nil, limit: 7, deadline: GoogleLive.deadline)
        var ours = try ours(try #require(recorder.requests.first { $0.path.contains("filter=") }))
        let filter = try #require(ours.query["filter"]).components(separatedBy: " OR ")
        #expect(filter.count == 2 && filter[1].hasPrefix("name:ai2-connectors-h-"))
        ours.query["filter"] = filter[0]
        #expect(ours == (try meaning(try #require(expected["list"]))))
    }

    /// But for null members, and that the metadata server is not asked for its account before.
    @Test(arguments: [
        ("app", ["token"]), ("federation", ["exchange", "impersonate"]), ("user", ["refresh"]), (nil, ["metadata"]),
    ] as [(String?, [String])])
    func tokensAreAskedForAsTheClientDoes(file: String?, operations: [String]) async throws {
        let recorder = Recorder()
        let vault = try GoogleLive.vault(try file.map(GoogleLive.file) ?? GoogleLive.instance(), recorder: recorder)
        try await vault.check(deadline: GoogleLive.deadline)
        for (request, operation) in zip(recorder.requests, operations) { try compare(request, operation) }
        #expect(recorder.requests.count == operations.count + 1)
    }
}
