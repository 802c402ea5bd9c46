import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization

@testable import CofferGoogle

extension CloudDependencies {
    /// Variables and files from dictionaries; the clock goes on instead of a pause.
    init(
        _ variables: [String: String] = [:], files: [String: String] = [:], clock: ManualClock,
        transport: @escaping @Sendable (CloudPlace) throws(Failure) -> any HTTPTransport
    ) {
        self.init(
            variable: { variables[$0] }, file: { path, _ in files[path].map { Secret($0) } }, transport: transport,
            pause: { clock.advance(milliseconds: UInt64($0.wholeNanoseconds / 1_000_000)) })
    }
}

/// Gives tokens as the metadata server does: "token-1", "token-2", …
final class FakeMetadata: HTTPTransport {
    let asked = Mutex(0)

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        let number = asked.withLock { asked in
            asked += 1
            return asked
        }
        return HTTPResponse(
            status: 200, headers: ["Metadata-Flavor": "Google"],
            body: Secret(#"{"access_token":"token-\#(number)","expires_in":3599,"token_type":"Bearer"}"#))
    }
}

struct GoogleFixture: VaultFixture {
    let manual = ManualClock()
    let fake: FakeSecretManager
    let metadata = FakeMetadata()
    var options: GoogleOptions

    init(options: GoogleOptions = GoogleOptions(project: "my-project")) {
        fake = FakeSecretManager(clock: manual)
        self.options = options
    }

    var clock: any Clock { manual }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }
    func open() throws -> any VaultAdapter { try vault() }
    func reopen() throws -> (any VaultAdapter)? { try vault() }

    func vault() throws(Failure) -> GoogleVault {
        try GoogleVault(
            name: "cloud", options: options,
            dependencies: CloudDependencies(clock: manual) { [fake, metadata] place in
                let transport: any HTTPTransport = place.kind == .local ? metadata : fake
                return transport
            }, clock: manual, random: SystemRandom())
    }

    var deadline: BootInstant { manual.boot + .seconds(20) }

    func key(_ user: String = "user123", _ connection: String = "conn456") throws(Failure) -> VaultKey {
        VaultKey(key: try RecordKey(user: user, connection: connection), tag: [], userTag: [])
    }

    func item(_ version: String = "v1", _ payload: VaultPayload = .sealed([1, 2, 3])) -> VaultItem {
        VaultItem(payload: payload, version: version, createdAt: manual.wall, updatedAt: manual.wall, expiresAt: 0)
    }

    func write(_ vault: GoogleVault, _ item: VaultItem) async throws(Failure) -> VaultReceipt {
        try await vault.write(try key(), item, condition: .none, deadline: deadline)
    }

    static let secret = "ai2-connectors-ovzwk4rrgizq-mnxw43rugu3a"
}

/// Answers by rule, and remembers what it was asked.
final class GoogleScript: HTTPTransport {
    typealias Rule = @Sendable (HTTPRequest, Int) throws(HTTPError) -> HTTPResponse
    private let rule: Rule
    private let asked = Mutex<[HTTPRequest]>([])

    init(_ rule: @escaping Rule) { self.rule = rule }

    var requests: [HTTPRequest] { asked.withLock { $0 } }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        let number = asked.withLock { asked in
            asked.append(request)
            return asked.count
        }
        return try rule(request, number)
    }
}

extension HTTPResponse {
    static func google(_ status: Int, _ text: String, headers: HTTPFields = [:]) -> HTTPResponse {
        HTTPResponse(status: status, headers: headers, body: Secret(text))
    }
}

extension HTTPRequest {
    func sent(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }.flatMap { $0.value.text }
    }

    var sentText: String { body.flatMap(\.text) ?? "" }
}
