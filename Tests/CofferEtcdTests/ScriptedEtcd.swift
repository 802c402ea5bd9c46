import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization

@testable import CofferEtcd

/// A member of a cluster that answers as its script says, and remembers what it was asked.
final class ScriptedMember: HTTPTransport {
    typealias Script = @Sendable (HTTPRequest, _ number: Int) async throws(HTTPError) -> HTTPResponse

    private let script: Script
    private let asked = Mutex<[HTTPRequest]>([])

    init(_ script: @escaping Script) { self.script = script }

    var requests: [HTTPRequest] { asked.withLock { $0 } }
    /// "kv/range", in the order in which they came.
    var paths: [String] { requests.map { String($0.path.dropFirst("/v3/".count)) } }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        let number = asked.withLock {
            $0.append(request)
            return $0.count - 1
        }
        return try await script(request, number)
    }
}

extension HTTPResponse {
    init(_ status: Int, _ body: String = "") { self.init(status: status, body: Secret(body)) }

    /// - Parameter rest: further members, with their commas.
    static func etcd(revision: Int = 7, _ rest: String = "") -> HTTPResponse {
        HTTPResponse(200, #"{"header":{"cluster_id":"1","member_id":"2","revision":"\#(revision)","raft_term":"2"}\#(rest)}"#)
    }

    static func fault(_ status: Int, _ code: Int, _ words: String) -> HTTPResponse {
        HTTPResponse(status, #"{"error":"\#(words)","message":"\#(words)","code":\#(code)}"#)
    }

    static let done = HTTPResponse.etcd(revision: 7, #","succeeded":true,"responses":[{"response_put":{}}]"#)
}

extension HTTPRequest {
    func header(_ name: String) -> String? { headers.first { $0.name == name }.flatMap { $0.value.string } }
    var text: String { body?.string ?? "" }
}

extension Secret {
    var string: String { withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}

/// Time that passes only when it is told, or when somebody pauses. Longer sleeps are time limits, which never come.
final class SleepingClock: Clock {
    private let manual = ManualClock()

    var boot: BootInstant { manual.boot }
    var wall: WallMilliseconds { manual.wall }
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }

    func sleep(_ duration: Duration) async throws {
        try Task.checkCancellation()
        if duration > .seconds(2) { return try await Task.sleep(for: .seconds(3_600)) }
        manual.advance(milliseconds: UInt64(max(1, duration.wholeMilliseconds)))
        await Task.yield()
    }
}

/// Zeros: the least jitter there is.
struct NoRandom: RandomSource {
    func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
}

/// A vault before scripted members, on a time of its own.
struct Bed {
    let clock = SleepingClock()
    let members: [ScriptedMember]
    let vault: EtcdVault
    let files: Files

    final class Files: Sendable {
        private let contents = Mutex<[String: String]>([:])
        subscript(path: String) -> String? {
            get { contents.withLock { $0[path] } }
            set { contents.withLock { $0[path] = newValue } }
        }
    }

    /// - Parameter second: of another member; nil = there is one.
    init(
        login: EtcdOptions.Login? = nil, _ first: @escaping ScriptedMember.Script, _ second: ScriptedMember.Script? = nil
    ) {
        let (clock, files) = (clock, Files())
        self.files = files
        members = [ScriptedMember(first)] + (second.map { [ScriptedMember($0)] } ?? [])
        let dependencies = EtcdDependencies(clock: clock, random: NoRandom(), sleep: { try await clock.sleep($0) }) {
            path, _ throws(Failure) in
            guard let content = files[path] else {
                throw Failure(.failedPrecondition, .vaultRefused, "\(path): is not there", isUnsent: true)
            }
            return Secret(content)
        }
        vault = EtcdVault(
            name: "v", options: EtcdOptions(login: login),
            members: members.enumerated().map { index, member in
                EtcdMember(
                    origin: HTTPOrigin(isSecure: true, host: "e\(index)", port: 2379), transport: member)
            }, dependencies: dependencies)
    }

    var deadline: BootInstant { clock.boot + .seconds(30) }
    var member: ScriptedMember { members[0] }

    func read() async throws(Failure) -> VaultItem? { try await vault.read(try Self.key(), deadline: deadline) }

    @discardableResult
    func write(_ item: VaultItem? = nil, _ condition: WriteCondition = .none) async throws(Failure) -> VaultReceipt {
        try await vault.write(try Self.key(), item ?? self.item(), condition: condition, deadline: deadline)
    }

    func remove(_ version: String? = nil) async throws(Failure) -> Bool {
        try await vault.remove(try Self.key(), ifVersion: version, deadline: deadline)
    }

    func item(_ version: String = "v1", seconds: UInt64 = 0) -> VaultItem {
        let now = clock.wall
        return VaultItem(
            payload: .sealed([1, 2, 3]), version: version, createdAt: now, updatedAt: now,
            expiresAt: seconds == 0 ? 0 : now + seconds * 1000)
    }

    /// A `kvs` element with this item.
    func kv(
        _ item: VaultItem? = nil, revision: Int = 9, creation: Int = 2, lease: Int64 = 0, name: String = "ai2-connectors/u/c"
    ) -> String {
        let item = item ?? self.item()
        let document = SealedDocument.json(item.payload.envelope ?? [], of: item, created: item.createdAt).encode()
        return kv(value: Array(document.string.utf8), revision: revision, creation: creation, lease: lease, name: name)
    }

    func kv(
        value: [UInt8], revision: Int = 9, creation: Int = 2, lease: Int64 = 0, name: String = "ai2-connectors/u/c"
    ) -> String {
        let lease = lease == 0 ? "" : #","lease":"\#(lease)""#
        return
            #"{"key":"\#(Base64.text(Array(name.utf8)))","create_revision":"\#(creation)","mod_revision":"\#(revision)","version":"1","value":"\#(Base64.text(value))"\#(lease)}"#
    }

    static func key(_ user: String = "u", _ connection: String = "c") throws(Failure) -> VaultKey {
        VaultKey(
            key: try RecordKey(user: user, connection: connection), tag: [UInt8](repeating: 1, count: 32),
            userTag: [UInt8](repeating: 2, count: 32))
    }
}
