import CofferAWS
import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Foundation
import Synchronization
import Testing

/// What `Tests/Live/run.py` says about the MiniStack and the moto that it started.
enum AWSLive {
    struct Missing: Error, CustomStringConvertible {
        let name: String
        var description: String { "\(name) is not set: these tests are run by Tests/Live/run.py" }
    }

    static func variable(_ name: String) throws -> String {
        let name = "COFFER_LIVE_AWS_\(name)"
        guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else { throw Missing(name: name) }
        return value
    }

    /// The variables of a user whose keys are in those named `user`_KEY and `user`_SECRET.
    static func variables(user: String = "APP") throws -> [String: String] {
        [
            "AWS_ACCESS_KEY_ID": try variable("\(user)_KEY"), "AWS_SECRET_ACCESS_KEY": try variable("\(user)_SECRET"),
            "AWS_REGION": try variable("REGION"), "AWS_ENDPOINT_URL": try variable("ENDPOINT"),
        ]
    }

    static func dependencies(_ variables: [String: String], _ counter: Counter = Counter()) -> AWSDependencies {
        AWSDependencies(
            variable: { variables[$0].map { Secret(copying: Array($0.utf8).span.bytes) } },
            file: { path throws(Failure) in
                FileManager.default.contents(atPath: path).map { $0.withUnsafeBytes { Secret(copying: $0) } }
            },
            transport: { place throws(Failure) in
                CountingTransport(inner: try client(of: place), counter: counter)
            })
    }

    /// One I/O thread for all.
    private static let engine = Result { () throws(Failure) in try HTTPEngine.started() }

    /// As a daemon reaches it, but that the service may be without TLS on this host.
    private static func client(of place: AWSPlace) throws(Failure) -> HTTPClient {
        var endpoint = HTTPEndpoint(origin: place.origin)
        if place.kind == .local { (endpoint.allowsPlainHTTP, endpoint.allowsLinkLocal) = (true, true) }
        return try engine.get().client(endpoint)
    }

    /// A prefix of its own for each test, unless it shares one.
    static func vault(
        _ variables: [String: String]? = nil, prefix: String = freshPrefix(), deletion: AWSOptions.Deletion = .forced,
        keyID: String? = nil, clock: some Clock = SystemClock(), counter: Counter = Counter()
    ) throws -> AWSVault {
        try AWSVault(
            name: "live", options: AWSOptions(prefix: prefix, deletion: deletion, keyID: keyID),
            dependencies: dependencies(try variables ?? self.variables(), counter), clock: clock, random: SystemRandom()
        )
    }

    static func freshPrefix() -> String {
        "ai2-connectors/" + UUID().uuidString.filter { $0 != "-" }.lowercased()
    }

    /// moto, which looks at no signature.
    static func moto() throws -> [String: String] {
        try variables().merging(["AWS_ENDPOINT_URL": try variable("MOTO")]) { $1 }
    }

    static func key(_ user: String, _ connection: String) throws(Failure) -> VaultKey {
        VaultKey(key: try RecordKey(user: user, connection: connection), tag: [], userTag: [])
    }

    static func item(_ version: String, _ payload: VaultPayload = .sealed([1, 2, 3])) -> VaultItem {
        let now = SystemClock().wall
        return VaultItem(payload: payload, version: version, createdAt: now, updatedAt: now, expiresAt: 0)
    }

    static func text(_ text: String) -> VaultPayload { .text(Secret(copying: Array(text.utf8).span.bytes)) }

    static var deadline: BootInstant { SystemClock().boot + .seconds(20) }

    /// What `body` fails with.
    static func failure<R>(_ body: () async throws(Failure) -> R) async -> Failure? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error
        }
    }
}

/// Which operations were asked, in order.
final class Counter: Sendable {
    private let asked = Mutex<[String]>([])
    var operations: [String] { asked.withLock { $0 } }
    func add(_ operation: String) { asked.withLock { $0.append(operation) } }
    func reset() { asked.withLock { $0 = [] } }
}

struct CountingTransport: HTTPTransport {
    let inner: any HTTPTransport
    let counter: Counter

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        let target = request.headers.first { $0.name == "X-Amz-Target" }?.value
        let name = target?.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } ?? request.path
        counter.add(name.split(separator: ".").last.map(String.init) ?? name)
        return try await inner.send(request, deadline: deadline)
    }
}
