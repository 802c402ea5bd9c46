import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Foundation

@testable import CofferAzure

/// What `Tests/Live/run.py` says about the stand-in that it started.
enum AzureLive {
    struct Missing: Error, CustomStringConvertible {
        let name: String
        var description: String { "\(name) is not set: these tests are run by Tests/Live/run.py" }
    }

    static func variable(_ name: String) throws -> String {
        let name = "COFFER_LIVE_AZURE_\(name)"
        guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else { throw Missing(name: name) }
        return value
    }

    static func origin(_ name: String) throws -> HTTPOrigin {
        let text = try variable(name)
        guard let origin = HTTPOrigin(address: text) else { throw Missing(name: text) }
        return origin
    }

    static func file(_ name: String) throws -> String { try variable("FOLDER") + "/" + name }

    /// An application that logs in by its secret; its id is its role.
    static let secret = ["AZURE_CLIENT_SECRET": "live-secret"]

    static func dependencies(_ variables: [String: String], _ recorder: Recorder) throws -> CloudDependencies {
        let ca = try file("ca.pem")
        return CloudDependencies(
            variable: { variables[$0] }, secret: { variables[$0].map { Secret($0) } },
            file: { path, _ throws(Failure) in
                FileManager.default.contents(atPath: path).map { $0.withUnsafeBytes { Secret(copying: $0) } }
            },
            transport: { place throws(Failure) in
                RecordingTransport(inner: try client(of: place, ca), recorder: recorder)
            })
    }

    /// One I/O thread for all.
    private static let engine = Result { () throws(Failure) in try HTTPEngine.started() }

    /// As a daemon reaches it.
    private static func client(of place: CloudPlace, _ ca: String?) throws(Failure) -> HTTPClient {
        var endpoint = HTTPEndpoint(origin: place.origin)
        endpoint.authorityFile = place.origin.isSecure ? ca : nil
        endpoint.maximumConnections = 64
        if place.kind == .local { (endpoint.allowsPlainHTTP, endpoint.allowsLinkLocal) = (true, true) }
        return try engine.get().client(endpoint)
    }

    /// On the stand-in, as the role "app" if nothing else is said; a prefix of its own for each test, unless it shares one.
    static func vault(
        _ variables: [String: String] = secret, prefix: String = freshPrefix(), change: (inout AzureOptions) -> Void = { _ in },
        clock: some Clock = SystemClock(), recorder: Recorder = Recorder()
    ) throws -> AzureVault {
        let origin = try origin("VAULT")
        var options = AzureOptions(
            origin: origin, prefix: prefix, resource: HTTPOrigin(address: "https://vault.azure.net"), tenant: try variable("TENANT"),
            client: "app", authority: origin)
        change(&options)
        return try AzureVault(
            name: "live", options: options, dependencies: try dependencies(variables, recorder), clock: clock, random: SystemRandom())
    }

    /// 13 characters, so that long ids are hashed as with the longest prefix.
    static func freshPrefix() -> String { "l" + UUID().uuidString.filter { $0 != "-" }.lowercased().prefix(12) }

    static func key(_ user: String, _ connection: String) throws(Failure) -> VaultKey {
        VaultKey(key: try RecordKey(user: user, connection: connection), tag: [], userTag: [])
    }

    static func item(_ version: String, _ payload: VaultPayload = .sealed([1, 2, 3]), expiresAt: WallMilliseconds = 0) -> VaultItem {
        let now = SystemClock().wall
        return VaultItem(payload: payload, version: version, createdAt: now, updatedAt: now, expiresAt: expiresAt)
    }

    static func text(_ text: String) -> VaultPayload { .text(Secret(text)) }

    static var deadline: BootInstant { SystemClock().boot + .seconds(20) }

    /// Has the stand-in do something: "plan" an answer, or "expire" all tokens.
    static func control(_ name: String, _ body: String = "{}") async throws {
        let request = HTTPRequest(.post, "/_control/\(name)", body: Secret(body))
        _ = try await client(of: CloudPlace(.local, try origin("HOST")), nil).send(request, deadline: deadline)
    }
}
