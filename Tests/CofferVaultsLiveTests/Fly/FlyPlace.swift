import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Foundation
import Synchronization

@testable import CofferCrypto
@testable import CofferFly

/// An app at the stand-in for Fly's API that `Tests/Live/run.py` started, with a Machine m1, on which the daemon runs.
final class FlyPlace: VaultFixture {
    struct Missing: Error, CustomStringConvertible {
        var description: String { "COFFER_LIVE_FLY_ENDPOINT is not set: these tests are run by Tests/Live/run.py" }
    }

    let app: String
    let data = NSTemporaryDirectory() + "live-fly-\(UUID().uuidString)"
    let transport: any HTTPTransport
    let settable = SettableClock()
    private let keys: KeyRing

    /// - Parameters:
    ///   - name: "limited" = one whose calls are limited to three at once.
    ///   - others: Machines of the app beside m1.
    init(_ name: String = "live", others: [String] = []) async throws {
        guard let endpoint = ProcessInfo.processInfo.environment["COFFER_LIVE_FLY_ENDPOINT"], !endpoint.isEmpty else {
            throw Missing()
        }
        transport = try liveTransport(address: endpoint, ca: nil)
        app = "\(name)-\(UUID().uuidString.lowercased())"
        let key = Secret.random(count: 32)
        keys = KeyRing(base: key, terms: [KeyTerm(id: 1, name: "first", state: .active, createdAt: 0, key: key)])
        try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
        let machines = (["m1"] + others).map { JSON.string($0) }
        _ = try await control(.post, "app", .object([("machines", .array(machines))]))
    }

    deinit { try? FileManager.default.removeItem(atPath: data) }

    var clock: any Clock { settable }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { settable.manual.advance(milliseconds: milliseconds) }
    func open() async throws -> any VaultAdapter { try await vault() }
    func reopen() async throws -> (any VaultAdapter)? { try await vault() }

    @discardableResult
    func control(_ method: HTTPRequest.Method, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        let separator = path.contains("?") ? "&" : "?"
        let request = HTTPRequest(method, "/_fake/\(path)\(separator)app=\(app)", body: body?.encode())
        let response = try await transport.send(request, deadline: deadline)
        guard response.status == 200 else { throw Missing() }
        return try JSON.parse(response.body)
    }

    /// Does what `fly deploy` does.
    func deploy() async throws { try await control(.post, "update?id=m1") }

    /// What the next calls get: see `Plan` of `fake_fly.py`.
    func plan(_ match: String, _ members: [(name: String, value: JSON)]) async throws {
        let all: [(name: String, value: JSON)] = [("match", .string("\(match).*\(app)")), ("times", .integer(1))]
        try await control(.post, "plan", .object(all + members))
    }

    /// Its version, and the environment that its last update has fixed.
    func machine(_ id: String = "m1") async throws -> JSON { try await control(.get, "machine?id=\(id)") }

    /// A daemon that starts on the Machine now.
    ///
    /// - Parameter deploys: it updates the Machines itself.
    func vault(token: String = "fm2_app-token", app other: String? = nil, deploys: Bool = false) async throws -> FlyVault {
        let machine = try await machine()
        var secrets: [String: Secret] = [:]
        for member in machine["environment"]?.members ?? [] { secrets[member.name] = member.value.secret }
        let client = FlyClient(
            transport: transport, root: "", app: other ?? app,
            token: FlyToken(try FlyToken.checked(Secret(token), from: "the test")), vault: "live", clock: settable)
        let deployment =
            deploys ? FlyDeployment(client, machine: "m1", delay: .milliseconds(10), clock: settable, notice: { _ in }) : nil
        return try FlyVault(
            name: "live", FlyVault.Surroundings(secrets: secrets, machineVersion: machine["instance"]?.text ?? ""),
            client: client,
            files: FlyFiles(
                folder: data + "/fly",
                sealer: RecordSealer(keys: keys, environment: "live", clock: settable, random: SystemRandom()),
                identity: FlyVault.identity, app: app, vault: "live", clock: settable),
            deployment: deployment, clock: settable, random: SystemRandom())
    }

    var deadline: BootInstant { SystemClock().boot + .seconds(30) }

    func key(_ connection: String = "conn456") throws(Failure) -> VaultKey {
        VaultKey(key: try RecordKey(user: "user123", connection: connection), tag: [], userTag: [])
    }

    func store(_ text: String, _ vault: FlyVault) async throws(Failure) {
        let now = settable.wall
        let item = VaultItem(payload: .text(Secret(text)), version: text, createdAt: now, updatedAt: now, expiresAt: 0)
        _ = try await vault.write(key(), item, condition: .none, deadline: deadline)
    }

    func text(_ vault: FlyVault) async throws(Failure) -> String? {
        guard case .text(let text) = try await vault.read(key(), deadline: deadline)?.payload else { return nil }
        return text.text
    }

    /// What a Store fails with.
    func failure(_ vault: FlyVault) async -> Failure? {
        do throws(Failure) {
            try await store("text", vault)
            return nil
        } catch {
            return error
        }
    }
}
