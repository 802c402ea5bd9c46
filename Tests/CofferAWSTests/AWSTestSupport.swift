import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization

@testable import CofferAWS

let testVariables = [
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_REGION": "us-east-1", "HOME": "/nowhere",
]

extension AWSDependencies {
    /// Variables and files from dictionaries; the clock goes on instead of a pause.
    init(
        _ variables: [String: String] = testVariables, files: [String: String] = [:], clock: ManualClock,
        transport: @escaping @Sendable (AWSPlace) throws(Failure) -> any HTTPTransport
    ) {
        self.init(
            variable: { variables[$0].map { Secret($0) } }, file: { files[$0].map { Secret($0) } },
            transport: transport,
            pause: { clock.advance(milliseconds: UInt64($0.wholeNanoseconds / 1_000_000)) })
    }
}

struct AWSFixture: VaultFixture {
    let manual = ManualClock()
    let fake: FakeSecretsManager
    var options = AWSOptions()

    init(options: AWSOptions = AWSOptions()) {
        fake = FakeSecretsManager(clock: manual)
        self.options = options
    }

    var clock: any Clock { manual }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }
    func open() throws -> any VaultAdapter { try vault() }
    func reopen() throws -> (any VaultAdapter)? { try vault() }

    func vault(_ variables: [String: String] = testVariables) throws(Failure) -> AWSVault {
        let fake = fake
        return try AWSVault(
            name: "cloud", options: options, dependencies: AWSDependencies(variables, clock: manual) { _ in fake },
            clock: manual, random: SystemRandom())
    }

    var deadline: BootInstant { manual.boot + .seconds(20) }

    func key(_ user: String = "user123", _ connection: String = "conn456") throws(Failure) -> VaultKey {
        VaultKey(key: try RecordKey(user: user, connection: connection), tag: [], userTag: [])
    }

    func item(_ version: String = "v1", _ payload: VaultPayload = .sealed([1, 2, 3])) -> VaultItem {
        VaultItem(payload: payload, version: version, createdAt: manual.wall, updatedAt: manual.wall, expiresAt: 0)
    }
}

/// Answers by rule, and remembers what it was asked.
final class AWSScript: HTTPTransport {
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
    static func aws(_ status: Int, _ text: String, headers: HTTPFields = [:]) -> HTTPResponse {
        HTTPResponse(status: status, headers: headers, body: Secret(text))
    }
}

extension HTTPRequest {
    func sent(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }.flatMap { $0.value.text }
    }

    var sentText: String { body.flatMap(\.text) ?? "" }
}
