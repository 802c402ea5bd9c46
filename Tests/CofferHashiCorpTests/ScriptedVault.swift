import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Synchronization

@testable import CofferHashiCorp

/// A server that answers as its script says, and remembers what it was asked.
final class ScriptedTransport: HTTPTransport {
    typealias Script = @Sendable (HTTPRequest, _ number: Int) async throws(HTTPError) -> HTTPResponse

    private let script: Script
    private let asked = Mutex<[HTTPRequest]>([])

    init(_ script: @escaping Script) { self.script = script }

    var requests: [HTTPRequest] { asked.withLock { $0 } }
    /// "GET /v1/…", in the order in which they came.
    var lines: [String] { requests.map { "\($0.method.rawValue) \($0.path)" } }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        let number = asked.withLock {
            $0.append(request)
            return $0.count - 1
        }
        return try await script(request, number)
    }
}

extension HTTPResponse {
    init(_ status: Int, _ body: String = "", _ headers: HTTPFields = [:]) {
        self.init(status: status, headers: headers, body: Secret(text: body))
    }

    static func login(_ token: String, seconds: Int, renewable: Bool = true) -> HTTPResponse {
        HTTPResponse(
            200, #"{"auth":{"client_token":"\#(token)","lease_duration":\#(seconds),"renewable":\#(renewable)}}"#)
    }

    /// What OpenBao says of an index that it has not got yet.
    static let lagging = HTTPResponse(429, #"{"errors":[]}"#, ["retry-after": "1"])
    static let limited = HTTPResponse(429, #"{"errors":["request path \"x\": rate limit quota exceeded"]}"#)
    static let leaderless = HTTPResponse(
        500, #"{"errors":["local node not active but active cluster node not found"]}"#)

    static let denied = HTTPResponse(403, #"{"errors":["permission denied"]}"#)
    static let absent = HTTPResponse(404, #"{"errors":[]}"#)

    static func kv(
        _ data: String, version: Int = 1, custom: String = "null", deletion: String = "", created: String = createdAt
    ) -> HTTPResponse {
        HTTPResponse(200, #"{"data":{"data":\#(data),"metadata":\#(metadata(version, custom, deletion, created))}}"#)
    }

    static func tombstone(version: Int) -> HTTPResponse {
        HTTPResponse(
            404, #"{"data":{"data":null,"metadata":\#(metadata(version, "null", "2026-11-25T16:00:00Z"))}}"#)
    }

    static func written(_ version: Int, deletion: String = "") -> HTTPResponse {
        HTTPResponse(200, #"{"data":\#(metadata(version, "null", deletion))}"#)
    }

    static let createdAt = "2026-11-25T15:53:31.123456789Z"

    private static func metadata(
        _ version: Int, _ custom: String, _ deletion: String, _ created: String = createdAt
    ) -> String {
        """
        {"version":\(version),"created_time":"\(created)","deletion_time":"\(deletion)",\
        "destroyed":false,"custom_metadata":\(custom)}
        """
    }
}

extension HTTPRequest {
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value.string }
    var text: String { body?.string ?? "" }
}

extension Secret {
    convenience init(text: String) { self.init(copying: Array(text.utf8).span.bytes) }
    var string: String { withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
}

/// Time that passes only when it is told, or when everybody sleeps.
final class VirtualTime: Clock {
    private struct State {
        var now: UInt64 = 1_000_000_000
        var lastID = 0
        var sleepers: [Int: (until: UInt64, continuation: CheckedContinuation<Bool, Never>)] = [:]
    }

    private let state = Mutex(State())
    let firstWall: WallMilliseconds = 1_800_000_000_000

    var boot: BootInstant { BootInstant(nanoseconds: state.withLock { $0.now }) }
    var wall: WallMilliseconds { firstWall + state.withLock { $0.now } / 1_000_000 - 1000 }
    var sleeperCount: Int { state.withLock { $0.sleepers.count } }

    func sleep(_ duration: Duration) async throws {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let isOver = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if Task.isCancelled { return true }
                    state.sleepers[id] = (state.now + UInt64(max(0, duration.wholeNanoseconds)), continuation)
                    return false
                }
                if isCancelled { continuation.resume(returning: false) }
            }
        } onCancel: {
            let sleeper = state.withLock { $0.sleepers.removeValue(forKey: id) }
            sleeper?.continuation.resume(returning: false)
        }
        if !isOver { throw CancellationError() }
    }

    /// Lets tasks get as far as they can, then moves on in small steps, so that
    /// what wakes may sleep again.
    func advance(milliseconds: Int) async {
        for _ in 0..<max(1, milliseconds / 50) {
            await settle()
            let woken = state.withLock { state in
                state.now += 50_000_000
                let due = state.sleepers.filter { $0.value.until <= state.now }
                for id in due.keys { state.sleepers[id] = nil }
                return due.values.map { $0.continuation }
            }
            for continuation in woken { continuation.resume(returning: true) }
        }
        await settle()
    }

    func settle() async { for _ in 0..<40 { await Task.yield() } }
}

/// Zeros: the least jitter there is.
struct NoRandom: RandomSource {
    func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
}

/// A vault before a scripted server, on a time of its own.
struct Bed {
    let time = VirtualTime()
    let transport: ScriptedTransport
    let vault: HashiCorpVault
    /// What files hold.
    let files: Files

    final class Files: Sendable {
        private let contents = Mutex<[String: String]>([:])
        subscript(path: String) -> String? {
            get { contents.withLock { $0[path] } }
            set { contents.withLock { $0[path] = newValue } }
        }
    }

    init(
        auth: HashiCorpOptions.Auth = .token(Secret(text: "s.token")), namespace: String? = nil,
        softDelete: Bool = false, writesMetadata: Bool = true, nodes: [HTTPOrigin] = [], literalNames: Bool = false,
        files: Files = Files(),
        _ script: @escaping ScriptedTransport.Script
    ) throws {
        transport = ScriptedTransport(script)
        self.files = files
        let time = time
        let dependencies = HashiCorpDependencies(clock: time, random: NoRandom(), sleep: { try await time.sleep($0) }) {
            file, _ throws(Failure) in
            guard let content = files[file.path] else {
                throw Failure(.failedPrecondition, .vaultRefused, "\(file.path): is not there")
            }
            return Secret(text: content)
        }
        vault = HashiCorpVault(
            name: "v",
            options: try HashiCorpOptions(
                auth: auth, namespace: namespace, softDelete: softDelete, writesMetadata: writesMetadata,
                literalNames: literalNames),
            transport: transport, isSecure: true, nodes: nodes, dependencies: dependencies)
    }

    var deadline: BootInstant { time.boot + .seconds(30) }
    /// All but the look-up that a given token begins with, and the question of what is mounted.
    var lines: [String] {
        transport.lines.filter { line in
            line != "GET /v1/auth/token/lookup-self" && !line.hasPrefix("GET /v1/sys/internal/ui/mounts/")
        }
    }

    func read(_ user: String = "u", _ connection: String = "c") async throws(Failure) -> VaultItem? {
        try await vault.read(try Self.key(user, connection), deadline: deadline)
    }

    func reload() async throws(Failure) -> Bool { try await vault.reload(deadline: deadline) }

    func write(_ item: VaultItem, _ condition: WriteCondition = .none) async throws(Failure) -> WallMilliseconds {
        try await vault.write(try Self.key(), item, condition: condition, deadline: deadline).createdAt
    }

    func remove(_ version: String? = nil) async throws(Failure) -> Bool {
        try await vault.remove(try Self.key(), ifVersion: version, deadline: deadline)
    }

    func sealed(_ version: String = "v1", seconds: UInt64 = 0) -> VaultItem {
        let now = time.wall
        return VaultItem(
            payload: .sealed([1, 2, 3]), version: version, createdAt: now, updatedAt: now,
            expiresAt: seconds == 0 ? 0 : now + seconds * 1000)
    }

    static func key(_ user: String = "u", _ connection: String = "c") throws(Failure) -> VaultKey {
        VaultKey(
            key: try RecordKey(user: user, connection: connection), tag: [UInt8](repeating: 1, count: 32),
            userTag: [UInt8](repeating: 2, count: 32))
    }
}
