import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization

@testable import CofferAzure

extension CloudDependencies {
    /// Variables and files from dictionaries; the clock goes on instead of a pause.
    init(
        _ variables: [String: String] = [:], files: LaidOutFiles = LaidOutFiles(), clock: ManualClock,
        transport: @escaping @Sendable (CloudPlace) throws(Failure) -> any HTTPTransport
    ) {
        self.init(
            variable: { variables[$0] }, secret: { variables[$0].map { Secret($0) } },
            file: { path, _ in files[path].map { Secret($0) } }, transport: transport,
            pause: { clock.advance(milliseconds: UInt64($0.wholeNanoseconds / 1_000_000)) })
    }
}

/// Files that can change, by their paths.
final class LaidOutFiles: Sendable {
    private let files: Mutex<[String: String]>
    init(_ files: [String: String] = [:]) { self.files = Mutex(files) }
    subscript(path: String) -> String? { files.withLock { $0[path] } }
    func lay(_ content: String, at path: String) { files.withLock { $0[path] = content } }
}

/// Gives tokens, to applications as well as to hosts: "token-1", "token-2", …
final class FakeTokens: HTTPTransport {
    private let asked = Mutex<[HTTPRequest]>([])
    private let planned = Mutex<[HTTPResponse]>([])
    private let broken = Mutex<HTTPError?>(nil)

    var requests: [HTTPRequest] { asked.withLock { $0 } }
    func plan(_ status: Int, _ body: String, headers: HTTPFields = [:]) {
        planned.withLock { $0.append(.azure(status, body, headers: headers)) }
    }

    /// From now on.
    func fail(_ error: HTTPError) { broken.withLock { $0 = error } }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        if let error = broken.withLock({ $0 }) { throw error }
        let number = asked.withLock { asked in
            asked.append(request)
            return asked.count
        }
        if let planned = planned.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return planned }
        return .azure(200, #"{"token_type":"Bearer","expires_in":3599,"access_token":"token-\#(number)"}"#)
    }
}

struct AzureFixture: VaultFixture {
    static let origin = HTTPOrigin(isSecure: true, host: "my-vault.vault.azure.net", port: 443)
    static let secret = "c-ovzwk4rrgizq-mnxw43rugu3a"
    static let application = ["AZURE_CLIENT_SECRET": "the-secret"]

    let manual = ManualClock()
    let fake: FakeKeyVault
    let tokens = FakeTokens()
    var options: AzureOptions
    var variables: [String: String]
    let files: LaidOutFiles

    init(
        options: AzureOptions = AzureOptions(origin: origin, tenant: "my-tenant", client: "my-client"),
        variables: [String: String] = application, files: [String: String] = [:]
    ) {
        fake = FakeKeyVault(clock: manual, host: options.origin.authority)
        self.options = options
        self.variables = variables
        self.files = LaidOutFiles(files)
    }

    /// The same with another answer to deleted secrets.
    init(deleted: AzureOptions.Deleted) {
        self.init()
        options.deleted = deleted
    }

    /// The same with other options.
    init(change: (inout AzureOptions) -> Void) {
        self.init()
        change(&options)
    }

    var clock: any Clock { manual }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }
    func open() throws -> any VaultAdapter { try vault() }
    func reopen() throws -> (any VaultAdapter)? { try vault() }

    func vault(format: RecordFormat = .sealed) throws(Failure) -> AzureVault {
        try AzureVault(
            name: "cloud", options: options, format: format,
            dependencies: CloudDependencies(variables, files: files, clock: manual) { [fake, tokens, seen] place in
                seen.add(place)
                let transport: any HTTPTransport = place.kind == .service ? fake : tokens
                return transport
            }, clock: manual, random: SystemRandom())
    }

    /// The places that were gone to.
    let seen = Places()

    final class Places: Sendable {
        private let all = Mutex<[CloudPlace]>([])
        func add(_ place: CloudPlace) { all.withLock { $0.append(place) } }
        var places: [CloudPlace] { all.withLock { $0 } }
    }

    var deadline: BootInstant { manual.boot + .seconds(20) }

    func key(_ user: String = "user123", _ connection: String = "conn456") throws(Failure) -> VaultKey {
        VaultKey(key: try RecordKey(user: user, connection: connection), tag: [], userTag: [])
    }

    func item(_ version: String = "v1", _ payload: VaultPayload = .sealed([1, 2, 3]), expiresAt: WallMilliseconds = 0) -> VaultItem {
        VaultItem(payload: payload, version: version, createdAt: manual.wall, updatedAt: manual.wall, expiresAt: expiresAt)
    }

    func write(_ vault: AzureVault, _ item: VaultItem) async throws(Failure) -> VaultReceipt {
        try await vault.write(try key(), item, condition: .none, deadline: deadline)
    }

    func read(_ vault: AzureVault) async throws(Failure) -> VaultItem? { try await vault.read(try key(), deadline: deadline) }

    func remove(_ vault: AzureVault) async throws(Failure) -> Bool {
        try await vault.remove(try key(), ifVersion: nil, deadline: deadline)
    }
}

extension HTTPResponse {
    static func azure(_ status: Int, _ text: String, headers: HTTPFields = [:]) -> HTTPResponse {
        HTTPResponse(status: status, headers: headers, body: Secret(text))
    }
}

extension HTTPRequest {
    func sent(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }.flatMap { $0.value.text }
    }

    var sentText: String { body.flatMap(\.text) ?? "" }

    /// What a login sends.
    var form: [String: String] {
        Dictionary(
            uniqueKeysWithValues: sentText.split(separator: "&").map { pair in
                let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                return (String(halves[0]), String(halves[1]))
            })
    }
}
