import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Foundation

@testable import CofferGoogle

/// What `Tests/Live/run.py` says about the stand-in and the drongo that it started.
enum GoogleLive {
    struct Missing: Error, CustomStringConvertible {
        let name: String
        var description: String { "\(name) is not set: these tests are run by Tests/Live/run.py" }
    }

    static func variable(_ name: String) throws -> String {
        let name = "COFFER_LIVE_GOOGLE_\(name)"
        guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else { throw Missing(name: name) }
        return value
    }

    /// Tokens by the credentials file of this name.
    static func file(_ name: String) throws -> [String: String] {
        ["GOOGLE_APPLICATION_CREDENTIALS": try variable("FOLDER") + "/\(name).json"]
    }

    /// Tokens by the metadata server.
    static func instance() throws -> [String: String] {
        ["GCE_METADATA_HOST": String(try variable("ENDPOINT").dropFirst("http://".count))]
    }

    static func dependencies(_ variables: [String: String], _ recorder: Recorder) -> CloudDependencies {
        CloudDependencies(
            variable: { variables[$0] },
            file: { path, _ throws(Failure) in
                FileManager.default.contents(atPath: path).map { $0.withUnsafeBytes { Secret(copying: $0) } }
            },
            transport: { place throws(Failure) in
                RecordingTransport(inner: try client(of: place), recorder: recorder)
            })
    }

    /// One I/O thread for all.
    private static let engine = Result { () throws(Failure) in try HTTPEngine.started() }

    /// As a daemon reaches it, but that the service is without TLS on this host.
    private static func client(of place: CloudPlace) throws(Failure) -> HTTPClient {
        var endpoint = HTTPEndpoint(origin: place.origin)
        if place.kind == .local { (endpoint.allowsPlainHTTP, endpoint.allowsLinkLocal) = (true, true) }
        return try engine.get().client(endpoint)
    }

    /// On the stand-in, unless another endpoint is named; a prefix of its own for each test, unless it shares one.
    static func vault(
        _ variables: [String: String]? = nil, prefix: String = freshPrefix(), endpoint: String? = nil,
        change: (inout GoogleOptions) -> Void = { _ in }, clock: some Clock = SystemClock(), recorder: Recorder = Recorder()
    ) throws -> GoogleVault {
        var options = GoogleOptions(
            project: try variable("PROJECT"), endpoint: try endpoint ?? variable("ENDPOINT"),
            tokenEndpoint: try variable("ENDPOINT"), prefix: prefix)
        change(&options)
        return try GoogleVault(
            name: "live", options: options, dependencies: dependencies(try variables ?? instance(), recorder), clock: clock,
            random: SystemRandom())
    }

    static func freshPrefix() -> String { "live" + UUID().uuidString.filter { $0 != "-" }.lowercased() }

    static func key(_ user: String, _ connection: String) throws(Failure) -> VaultKey {
        VaultKey(key: try RecordKey(user: user, connection: connection), tag: [], userTag: [])
    }

    static func item(_ version: String, _ payload: VaultPayload = .sealed([1, 2, 3])) -> VaultItem {
        let now = SystemClock().wall
        return VaultItem(payload: payload, version: version, createdAt: now, updatedAt: now, expiresAt: 0)
    }

    static func text(_ text: String) -> VaultPayload { .text(Secret(text)) }

    static var deadline: BootInstant { SystemClock().boot + .seconds(20) }

    /// Has the stand-in do something: "plan" an answer, or "expire" a token.
    static func control(_ name: String, _ body: String = "{}") async throws {
        let origin = try variable("ENDPOINT")
        guard let place = HTTPOrigin(address: origin) else { throw Missing(name: origin) }
        let request = HTTPRequest(.post, "/_control/\(name)", body: Secret(body))
        _ = try await client(of: CloudPlace(.local, place)).send(request, deadline: deadline)
    }
}
