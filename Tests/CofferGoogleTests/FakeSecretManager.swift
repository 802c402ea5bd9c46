import CofferCore
import CofferHTTP
import CofferVaultConformance
import CofferVaultKit
import Synchronization

@testable import CofferGoogle

/// As much of the service as the adapter uses, with answers put in between.
final class FakeSecretManager: HTTPTransport {
    struct Version {
        var data: String?
        var checksum: String?
        var state = "ENABLED"
        let created: WallMilliseconds
        /// Another one after each change.
        var etag = Version.newETag()

        static func newETag() -> String { "\"\(String(UInt64.random(in: 1 << 52 ... 1 << 56), radix: 16))\"" }
    }

    struct Stored {
        let body: JSON
        /// Of all secrets that were ever made.
        let number: Int
        var versions: [Version] = []
        /// The newest version that "latest" knows of; nil = all.
        var known: Int?
    }

    enum Operation: String, CaseIterable {
        case create, get, delete, list, addVersion, access, getVersion, listVersions, destroy, unknown
    }

    enum Answer {
        case response(HTTPResponse)
        case error(HTTPError)
        /// Does it, and then loses the answer.
        case lost
        /// Says nothing until the deadline.
        case silence
        /// Does it, and then the other; at the same time nobody else is served.
        case after(@Sendable (inout State) -> Void)
    }

    struct State {
        var secrets: [String: Stored] = [:]
        private var made = 0
        var calls: [Operation] = []
        var requests: [HTTPRequest] = []
        /// Answers to give first: by operation, each once, in order.
        var planned: [(operation: Operation, answer: Answer)] = []

        mutating func nextNumber() -> Int {
            made += 1
            return made
        }
    }

    let state = Mutex(State())
    let clock: any Clock
    private var manual: ManualClock? { clock as? ManualClock }

    init(clock: any Clock) { self.clock = clock }

    var calls: [Operation] { state.withLock { $0.calls } }
    var requests: [HTTPRequest] { state.withLock { $0.requests } }
    func forget() { state.withLock { ($0.calls, $0.requests) = ([], []) } }

    func plan(_ operation: Operation, _ answer: Answer) { state.withLock { $0.planned.append((operation, answer)) } }

    func plan(_ operation: Operation, _ code: Int, _ status: String, reason: String? = nil, headers: HTTPFields = [:]) {
        plan(operation, .response(Self.refusal(code, status, reason: reason, headers: headers)))
    }

    static func refusal(_ code: Int, _ status: String, reason: String? = nil, headers: HTTPFields = [:]) -> HTTPResponse {
        var error: [(name: String, value: JSON)] = [
            ("code", .integer(code)), ("message", .string("Secret [SECRET-TEXT] …")), ("status", .string(status)),
        ]
        if let reason {
            let type = JSON.string("type.googleapis.com/google.rpc.ErrorInfo")
            error.append(("details", .array([.object([("@type", type), ("reason", .string(reason)), ("domain", .string("googleapis.com"))])])))
        }
        return HTTPResponse(status: code, headers: headers, body: JSON.object([("error", .object(error))]).encode())
    }

    /// Puts a version there, as another program does.
    func put(_ secret: String, _ text: String, annotations: JSON = .null) {
        state.withLock { state in
            var stored = state.secrets[secret] ?? Stored(body: .object([("annotations", annotations)]), number: state.nextNumber())
            let payload = Secret(text)
            stored.versions.append(
                Version(
                    data: Base64.text(payload).text, checksum: String(CRC32C.checksum(payload)), created: clock.wall))
            state.secrets[secret] = stored
        }
    }

    func change(_ secret: String, _ change: (inout Stored) -> Void) {
        state.withLock { state in
            if var stored = state.secrets[secret] {
                change(&stored)
                state.secrets[secret] = stored
            }
        }
    }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        await Task.yield()
        guard clock.boot < deadline else { throw HTTPError(.deadline, isUnsent: true) }
        let call = FakeCall(request)
        return try state.withLock { state throws(HTTPError) in
            state.calls.append(call.operation)
            state.requests.append(request)
            if let index = state.planned.firstIndex(where: { $0.operation == call.operation }) {
                switch state.planned.remove(at: index).answer {
                case .response(let response): return response
                case .error(let error): throw error
                case .lost:
                    _ = answer(call, &state)
                    throw HTTPError(.interrupted, isUnsent: false)
                case .silence:
                    manual?.advance(milliseconds: (deadline.nanoseconds - clock.boot.nanoseconds + 999_999) / 1_000_000)
                    throw HTTPError(.deadline, isUnsent: false)
                case .after(let change):
                    defer { change(&state) }
                    return answer(call, &state)
                }
            }
            return answer(call, &state)
        }
    }

    // MARK: The service

    private func answer(_ call: FakeCall, _ state: inout State) -> HTTPResponse {
        guard call.hasToken else { return Self.refusal(401, "UNAUTHENTICATED") }
        switch call.operation {
        case .create:
            let name = call.query["secretId"] ?? ""
            guard state.secrets[name] == nil else { return Self.refusal(409, "ALREADY_EXISTS") }
            guard isName(name) else { return Self.refusal(400, "INVALID_ARGUMENT") }
            state.secrets[name] = Stored(body: call.body, number: state.nextNumber())
            return ok([("name", .string("projects/1/secrets/\(name)"))])
        case .list: return list(call, state)
        case .unknown: return Self.refusal(404, "NOT_FOUND")
        case .get, .delete, .addVersion, .access, .getVersion, .listVersions, .destroy:
            guard var secret = state.secrets[call.secret] else { return Self.refusal(404, "NOT_FOUND") }
            defer { if state.secrets[call.secret] != nil { state.secrets[call.secret] = secret } }
            switch call.operation {
            case .get: return ok([("name", .string("projects/1/secrets/\(call.secret)"))])
            case .delete:
                state.secrets[call.secret] = nil
                return ok([])
            case .addVersion: return add(call, &secret)
            case .listVersions: return listVersions(call, secret)
            default: return version(call, &secret)
            }
        }
    }

    private func isName(_ name: String) -> Bool {
        (1...255).contains(name.utf8.count)
            && name.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    private func ok(_ members: [(name: String, value: JSON)]) -> HTTPResponse {
        HTTPResponse(status: 200, body: JSON.object(members).encode())
    }

    private func add(_ call: FakeCall, _ secret: inout Stored) -> HTTPResponse {
        let payload = call.body["payload"]
        guard let bytes = payload?["data"]?.string.flatMap({ Base64.bytes($0, limit: 1 << 20) }), bytes.count <= 65_536,
            payload?["dataCrc32c"]?.text == String(CRC32C.checksum(bytes))
        else { return Self.refusal(400, "INVALID_ARGUMENT") }
        secret.versions.append(
            Version(data: payload?["data"]?.text, checksum: payload?["dataCrc32c"]?.text, created: clock.wall))
        return described(call, secret.versions.count, secret)
    }

    private func described(_ call: FakeCall, _ number: Int, _ secret: Stored) -> HTTPResponse {
        ok(members(call, number, secret))
    }

    private func members(_ call: FakeCall, _ number: Int, _ secret: Stored) -> [(name: String, value: JSON)] {
        let version = secret.versions[number - 1]
        return [
            ("name", .string("projects/1/secrets/\(call.secret)/versions/\(number)")), ("state", .string(version.state)),
            ("createTime", .string(Timestamp.text(version.created))), ("etag", .string(version.etag)),
        ]
    }

    /// The newest first, the destroyed ones too.
    private func listVersions(_ call: FakeCall, _ secret: Stored) -> HTTPResponse {
        let size = call.query["pageSize"].flatMap { Int($0) } ?? 25_000
        let all = (1...max(secret.versions.count, 1)).reversed().filter { number in
            number <= secret.versions.count && call.query["pageToken"].flatMap { Int($0) }.map { number < $0 } ?? true
        }
        guard !all.isEmpty else { return ok([]) }
        var answer: [(name: String, value: JSON)] = [
            ("versions", .array(all.prefix(size).map { .object(members(call, $0, secret)) }))
        ]
        if all.count > size { answer.append(("nextPageToken", .string("\(all[size - 1])"))) }
        return ok(answer)
    }

    private func version(_ call: FakeCall, _ secret: inout Stored) -> HTTPResponse {
        let number = call.version == "latest" ? secret.known ?? secret.versions.count : Int(call.version) ?? 0
        guard secret.versions.indices.contains(number - 1) else { return Self.refusal(404, "NOT_FOUND") }
        if call.operation == .getVersion { return described(call, number, secret) }
        let version = secret.versions[number - 1]
        if call.operation == .destroy {
            let etag = call.body["etag"]?.text
            guard version.state != "DESTROYED", etag == nil || etag == version.etag else {
                return Self.refusal(400, "FAILED_PRECONDITION")
            }
            secret.versions[number - 1].etag = Version.newETag()
            (secret.versions[number - 1].state, secret.versions[number - 1].data) = ("DESTROYED", nil)
            return described(call, number, secret)
        }
        guard version.state == "ENABLED" else { return Self.refusal(400, "FAILED_PRECONDITION") }
        var payload: [(name: String, value: JSON)] = []
        if let data = version.data { payload.append(("data", .string(data))) }
        if let checksum = version.checksum { payload.append(("dataCrc32c", .string(checksum))) }
        return ok([
            ("name", .string("projects/1/secrets/\(call.secret)/versions/\(number)")), ("payload", .object(payload)),
        ])
    }

    /// The newest first.
    private func list(_ call: FakeCall, _ state: State) -> HTTPResponse {
        let parts = (call.query["filter"] ?? "").components(separatedBy: " OR ").map { $0.dropFirst("name:".count) }
        let after = call.query["pageToken"] ?? ""
        let size = call.query["pageSize"].flatMap { Int($0) } ?? 25_000
        let last = after.isEmpty ? Int.max : after.hasPrefix("after ") ? Int(after.dropFirst(6)) : nil
        guard let last else { return Self.refusal(400, "INVALID_ARGUMENT") }
        let names = state.secrets.filter { $0.value.number < last }.sorted { $0.value.number > $1.value.number }.map(\.key)
            .filter { name in parts.contains { name.contains($0) } }
        var members: [(name: String, value: JSON)] = []
        if !names.isEmpty {
            let listed = names.prefix(size).map { name in
                JSON.object([
                    ("name", .string("projects/1/secrets/\(name)")),
                    ("annotations", state.secrets[name]?.body["annotations"] ?? .null),
                ])
            }
            members.append(("secrets", .array(listed)))
        }
        if names.count > size { members.append(("nextPageToken", .string("after \(state.secrets[names[size - 1]]?.number ?? 0)"))) }
        return ok(members)
    }
}

/// A request by its parts.
struct FakeCall {
    let operation: FakeSecretManager.Operation
    let query: [String: String]
    let body: JSON
    private(set) var secret = ""
    private(set) var version = ""
    let hasToken: Bool

    init(_ request: HTTPRequest) {
        let halves = request.path.split(separator: "?", maxSplits: 1)
        let pairs = halves.count < 2 ? [] : halves[1].split(separator: "&").map { $0.split(separator: "=", maxSplits: 1) }
        query = Dictionary(uniqueKeysWithValues: pairs.map { (String($0[0]), Self.decoded($0.count < 2 ? "" : $0[1])) })
        body = request.body.flatMap { try? JSON.parse($0) } ?? .null
        hasToken = request.sent("Authorization")?.hasPrefix("Bearer ") == true
        let path = halves[0].components(separatedBy: "/secrets")
        let parts = path[1].split { $0 == "/" || $0 == ":" }.map(String.init)
        if let first = parts.first { secret = first }
        if parts.count > 2 { version = parts[2] }
        switch (request.method, parts.count) {
        case (.post, 0): operation = .create
        case (.get, 0): operation = .list
        case (.get, 1): operation = .get
        case (.delete, 1): operation = .delete
        case (.post, 2) where parts[1] == "addVersion": operation = .addVersion
        case (.get, 2) where parts[1] == "versions": operation = .listVersions
        case (.get, 3): operation = .getVersion
        case (.get, 4) where parts[3] == "access": operation = .access
        case (.post, 4) where parts[3] == "destroy": operation = .destroy
        default: operation = .unknown
        }
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
            rest = rest.dropFirst(2)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension StringProtocol {
    func components(separatedBy separator: String) -> [String] {
        var parts: [String] = [""]
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(separator) {
                parts.append("")
                rest = rest.dropFirst(separator.count)
            } else {
                parts[parts.count - 1].append(rest.removeFirst())
            }
        }
        return parts
    }
}
