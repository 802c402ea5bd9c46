import CofferCore
import CofferHTTP
import CofferHashiCorp
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Foundation
import Testing

/// What `Tests/Live/run.py` says about the OpenBao that it started.
enum Live {
    struct Missing: Error, CustomStringConvertible {
        let name: String
        var description: String { "\(name) is not set: these tests are run by Tests/Live/run.py" }
    }

    static func variable(_ name: String) throws -> String {
        let name = "COFFER_LIVE_BAO_\(name)"
        guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else { throw Missing(name: name) }
        return value
    }

    static func secret(_ name: String) throws -> Secret { Secret(text: try variable(name)) }

    /// To the server at the address that the variable `name` holds.
    static func transport(_ name: String = "ADDR", ca: String = "CA") throws -> any HTTPTransport {
        try liveTransport(address: try variable(name), ca: try variable(ca))
    }

    static func dependencies(clock: any Clock = SystemClock()) -> HashiCorpDependencies {
        HashiCorpDependencies(clock: clock) { file, _ throws(Failure) in
            guard let content = FileManager.default.contents(atPath: file.path) else {
                throw Failure(.failedPrecondition, .vaultRefused, "\(file.path): cannot be read")
            }
            return content.withUnsafeBytes { Secret(copying: $0) }
        }
    }

    static func appRole(_ role: String = "ROLE_ID") throws -> HashiCorpOptions.Auth {
        .appRole(mount: "approle", roleID: try variable(role), secretID: .value(try secret("SECRET_ID")))
    }

    /// A folder of its own for each test, unless it shares one.
    static func vault(
        auth: HashiCorpOptions.Auth? = nil, mount: String = "secret", folder: String = UUID().uuidString,
        namespace: String? = nil, softDelete: Bool = false, writesMetadata: Bool = true,
        clock: any Clock = SystemClock(),
        transport: (any HTTPTransport)? = nil
    ) throws -> HashiCorpVault {
        let options = try HashiCorpOptions(
            auth: try auth ?? .token(try secret("TOKEN")), mount: mount,
            prefix: folder.isEmpty ? "ai2-connectors" : "ai2-connectors/\(folder)", namespace: namespace,
            softDelete: softDelete, writesMetadata: writesMetadata)
        return HashiCorpVault(
            name: "live", options: options, transport: try transport ?? self.transport(), isSecure: true,
            dependencies: dependencies(clock: clock))
    }

    static func key(_ user: String, _ connection: String) throws -> VaultKey {
        VaultKey(
            key: try RecordKey(user: user, connection: connection), tag: [UInt8](repeating: 1, count: 32),
            userTag: [UInt8](repeating: 2, count: 32))
    }

    static func sealed(_ version: String, _ payload: [UInt8] = [1, 2, 3], expiresAt: WallMilliseconds = 0) -> VaultItem
    {
        item(.sealed(payload), version, expiresAt: expiresAt)
    }

    static func text(_ text: String, expiresAt: WallMilliseconds = 0) -> VaultItem {
        item(.text(Secret(text: text)), "-", expiresAt: expiresAt)
    }

    private static func item(_ payload: VaultPayload, _ version: String, expiresAt: WallMilliseconds) -> VaultItem {
        let now = SystemClock().wall
        return VaultItem(payload: payload, version: version, createdAt: now, updatedAt: now, expiresAt: expiresAt)
    }

    static var deadline: BootInstant { SystemClock().boot + .seconds(20) }
}

extension Secret {
    convenience init(text: String) {
        self.init(copying: Array(text.utf8).span.bytes)
    }

    var string: String { withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}

/// Requests as the operator makes them.
struct Operator {
    let transport: any HTTPTransport

    init() throws { transport = try Live.transport() }

    /// The answer, as Foundation sees JSON.
    @discardableResult
    func ask(
        _ method: HTTPRequest.Method, _ path: String, _ body: [String: Any]? = nil, namespace: String? = nil,
        token: String? = nil
    ) async throws -> (status: Int, json: [String: Any]) {
        let token = try token ?? Live.variable("TOKEN")
        var headers = [HTTPHeader("X-Vault-Token", token)]
        if let namespace { headers.append(HTTPHeader("X-Vault-Namespace", namespace)) }
        let content = try body.map { try JSONSerialization.data(withJSONObject: $0) }
        let request = HTTPRequest(
            method, "/v1/\(path)", headers: headers, body: content?.withUnsafeBytes { Secret(copying: $0) })
        let answer = try await transport.send(request, deadline: Live.deadline)
        let data = answer.body.withUnsafeBytes { Data($0) }
        return (answer.status, (try? JSONSerialization.jsonObject(with: data)) as? [String: Any] ?? [:])
    }

    /// A POST of these very bytes, which has to succeed.
    func put(_ path: String, _ body: Secret) async throws {
        let headers = [HTTPHeader("X-Vault-Token", try Live.variable("TOKEN"))]
        let request = HTTPRequest(.post, "/v1/\(path)", headers: headers, body: body)
        #expect(try await transport.send(request, deadline: Live.deadline).status == 200)
    }

    /// A token with these policies.
    func token(_ policy: String, fields: [String: Any] = [:]) async throws -> String {
        let body = ["policies": [policy], "no_parent": true].merging(fields) { _, field in field } as [String: Any]
        let (_, json) = try await ask(.post, "auth/token/create", body)
        return try #require((json["auth"] as? [String: Any])?["client_token"] as? String)
    }

    /// How many lines of the audit log hold all these texts.
    static func audited(_ texts: [String]) throws -> Int {
        let log = try String(contentsOfFile: try Live.variable("AUDIT"), encoding: .utf8)
        return log.split(separator: "\n").count { line in texts.allSatisfy { line.contains($0) } }
    }
}

/// What `body` fails with.
func failure<R>(_ body: () async throws(Failure) -> R) async -> Failure? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}
