import CofferCore
import CofferHTTP
import CofferVaultConformance
import CofferVaultKit
import Synchronization

@testable import CofferAzure

/// As much of the service as the adapter uses, with answers put in between.
final class FakeKeyVault: HTTPTransport {
    struct Version {
        let id: String
        var body: JSON
        var contentType: String?
        let created: UInt64
        var isEnabled = true
    }

    struct Stored {
        var versions: [Version]
        /// Of all secrets that were ever made.
        let number: Int
        /// Until then it is being deleted or recovered.
        var busyUntil: WallMilliseconds = 0
        /// Until then it takes no new version, though it is there.
        var settlesAt: WallMilliseconds = 0
    }

    enum Operation: String, CaseIterable {
        case get, set, update, delete, list, recover, purge, unknown
    }

    enum Answer {
        case response(HTTPResponse)
        case error(HTTPError)
        /// Does it, and then loses the answer.
        case lost
        /// Says nothing until the deadline.
        case silence
    }

    struct State {
        var secrets: [String: Stored] = [:]
        var deleted: [String: Stored] = [:]
        /// Names that are not free yet.
        var purging: [String: WallMilliseconds] = [:]
        var made = 0
        var calls: [Operation] = []
        var requests: [HTTPRequest] = []
        /// Answers to give first: by operation, each once, in order.
        var planned: [(operation: Operation, answer: Answer)] = []
        /// What callers may not do.
        var denied: Set<Operation> = []
        /// Tokens that are not accepted, and the challenge that they are answered with.
        var revoked: Set<String> = []
        var challenge = FakeKeyVault.challenge
    }

    static let challenge = #"Bearer authorization="https://login.microsoftonline.com/tenant-of-the-vault", resource="https://vault.azure.net""#
    /// Milliseconds; the service's own are some 12,000 and 1,000.
    static let deletion: UInt64 = 3_000
    static let recovery: UInt64 = 1_000
    /// For how long a name is not free yet after that.
    static let settling: UInt64 = 500

    let state = Mutex(State())
    let clock: any Clock
    let host: String
    private var manual: ManualClock? { clock as? ManualClock }

    init(clock: any Clock, host: String = "my-vault.vault.azure.net") {
        self.clock = clock
        self.host = host
    }

    var calls: [Operation] { state.withLock { $0.calls } }
    var requests: [HTTPRequest] { state.withLock { $0.requests } }
    func forget() { state.withLock { ($0.calls, $0.requests) = ([], []) } }
    func plan(_ operation: Operation, _ answer: Answer) { state.withLock { $0.planned.append((operation, answer)) } }

    func plan(_ operation: Operation, _ status: Int, _ code: String, _ inner: String? = nil, headers: HTTPFields = [:]) {
        plan(operation, .response(Self.refusal(status, code, inner, headers: headers)))
    }

    static func refusal(_ status: Int, _ code: String, _ inner: String? = nil, headers: HTTPFields = [:]) -> HTTPResponse {
        var error: [(name: String, value: JSON)] = [("code", .string(code)), ("message", .string("Secret [SECRET-TEXT] …"))]
        if let inner { error.append(("innererror", .object([("code", .string(inner))]))) }
        return HTTPResponse(status: status, headers: headers, body: JSON.object([("error", .object(error))]).encode())
    }

    /// Puts a version there, as another program does.
    func put(_ name: String, _ value: String, _ more: [(name: String, value: JSON)] = []) {
        state.withLock { state in
            _ = set(name, JSON.object([("value", .string(value))] + more), &state)
        }
    }

    func change(_ name: String, _ change: (inout Stored) -> Void) {
        state.withLock { state in
            if var stored = state.secrets[name] {
                change(&stored)
                state.secrets[name] = stored
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
                }
            }
            return answer(call, &state)
        }
    }

    // MARK: The service

    private func answer(_ call: FakeCall, _ state: inout State) -> HTTPResponse {
        guard let token = call.token, !state.revoked.contains(token) else {
            return Self.refusal(401, "Unauthorized", headers: ["WWW-Authenticate": state.challenge])
        }
        guard call.query["api-version"] == "7.4" else { return Self.refusal(400, "BadParameter") }
        guard !state.denied.contains(call.operation) else { return Self.refusal(403, "Forbidden", "ForbiddenByRbac") }
        switch call.operation {
        case .list: return list(call, state)
        case .set: return set(call.name, call.body, &state)
        case .get: return get(call.name, state)
        case .update: return update(call, &state)
        case .delete: return delete(call.name, &state)
        case .recover, .purge: return free(call, &state)
        case .unknown: return Self.refusal(404, "NotFound")
        }
    }

    private static let absent = refusal(404, "SecretNotFound")

    private func conflict(_ name: String, _ state: State) -> HTTPResponse? {
        if let until = state.purging[name], clock.wall < until + Self.settling {
            return Self.refusal(409, "Conflict", clock.wall < until ? "ObjectIsBeingDeleted" : "ObjectIsDeletedButRecoverable")
        }
        if let deleted = state.deleted[name] {
            let isBusy = clock.wall < deleted.busyUntil
            return Self.refusal(409, "Conflict", isBusy ? "ObjectIsBeingDeleted" : "ObjectIsDeletedButRecoverable")
        }
        guard let stored = state.secrets[name] else { return nil }
        return beingRecovered(stored) ?? (clock.wall < stored.settlesAt ? Self.refusal(409, "Conflict") : nil)
    }

    private func beingRecovered(_ stored: Stored) -> HTTPResponse? {
        clock.wall < stored.busyUntil ? Self.refusal(409, "Conflict", "ObjectIsBeingRecovered") : nil
    }

    /// Tags and the content type keep to their limits.
    private func isShort(_ body: JSON) -> Bool {
        let tags = body["tags"]?.members ?? []
        return tags.count <= 15 && tags.allSatisfy { $0.name.utf8.count <= 512 && $0.value.text?.utf8.count ?? 513 <= 512 }
            && body["contentType"]?.text?.utf8.count ?? 0 <= 255
    }

    private func set(_ name: String, _ body: JSON, _ state: inout State) -> HTTPResponse {
        if let conflict = conflict(name, state) { return conflict }
        guard let value = body["value"]?.secret, value.count <= 25_600, (1...127).contains(name.utf8.count),
            name.utf8.allSatisfy({ $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") }), isShort(body)
        else { return Self.refusal(400, "BadParameter") }
        state.made += 1
        var stored = state.secrets[name] ?? Stored(versions: [], number: state.made)
        let digits = String(state.made, radix: 16)
        stored.versions.append(
            Version(
                id: String(repeating: "0", count: 32 - digits.utf8.count) + digits, body: body, contentType: body["contentType"]?.text,
                created: clock.wall / 1_000, isEnabled: body["attributes"]?["enabled"]?.bool ?? true))
        state.secrets[name] = stored
        return described(name, stored, withValue: true)
    }

    private func described(_ name: String, _ stored: Stored, withValue: Bool) -> HTTPResponse {
        HTTPResponse(status: 200, body: JSON.object(members(name, stored, version: true, withValue: withValue)).encode())
    }

    private func members(_ name: String, _ stored: Stored, version: Bool, withValue: Bool) -> [(name: String, value: JSON)] {
        let newest = stored.versions[stored.versions.count - 1]
        var attributes: [(name: String, value: JSON)] = [
            ("enabled", .bool(newest.isEnabled)), ("created", .integer(newest.created)), ("updated", .integer(newest.created)),
            ("recoveryLevel", .string("Recoverable+Purgeable")), ("recoverableDays", .integer(90)),
        ]
        if let exp = newest.body["attributes"]?["exp"] { attributes.append(("exp", exp)) }
        var members: [(name: String, value: JSON)] = [
            ("id", .string("https://\(host)/secrets/\(name)" + (version ? "/" + newest.id : ""))), ("attributes", .object(attributes)),
        ]
        if withValue { members.append(("value", newest.body["value"] ?? .null)) }
        if let type = newest.contentType { members.append(("contentType", .string(type))) }
        if let tags = newest.body["tags"] { members.append(("tags", tags)) }
        return members
    }

    private func get(_ name: String, _ state: State) -> HTTPResponse {
        guard let stored = state.secrets[name], clock.wall >= stored.busyUntil else { return Self.absent }
        guard stored.versions.last?.isEnabled == true else { return Self.refusal(403, "Forbidden", "SecretDisabled") }
        return described(name, stored, withValue: true)
    }

    private func update(_ call: FakeCall, _ state: inout State) -> HTTPResponse {
        guard var stored = state.secrets[call.name] else { return Self.absent }
        if let busy = beingRecovered(stored) { return busy }
        let newest = stored.versions[stored.versions.count - 1].id
        guard let index = stored.versions.firstIndex(where: { $0.id == (call.version.isEmpty ? newest : call.version) })
        else { return Self.absent }
        guard isShort(call.body) else { return Self.refusal(400, "BadParameter") }
        if let type = call.body["contentType"]?.text { stored.versions[index].contentType = type }
        state.secrets[call.name] = stored
        return described(call.name, stored, withValue: false)
    }

    private func delete(_ name: String, _ state: inout State) -> HTTPResponse {
        guard var stored = state.secrets[name] else { return Self.absent }
        if let busy = beingRecovered(stored) { return busy }
        state.secrets[name] = nil
        stored.busyUntil = clock.wall + Self.deletion
        state.deleted[name] = stored
        return described(name, stored, withValue: false)
    }

    private func free(_ call: FakeCall, _ state: inout State) -> HTTPResponse {
        guard var stored = state.deleted[call.name], clock.wall >= stored.busyUntil else { return Self.absent }
        state.deleted[call.name] = nil
        stored.busyUntil = clock.wall + Self.recovery
        stored.settlesAt = stored.busyUntil + Self.settling
        guard call.operation == .recover else {
            state.purging[call.name] = stored.busyUntil
            return HTTPResponse(status: 204, body: Secret(""))
        }
        state.secrets[call.name] = stored
        return described(call.name, stored, withValue: false)
    }

    /// In the order in which they were made.
    private func list(_ call: FakeCall, _ state: State) -> HTTPResponse {
        let size = call.query["maxresults"].flatMap { Int($0) } ?? 25
        guard (1...25).contains(size), let after = Int(call.query["$skiptoken"] ?? "0") else { return Self.refusal(400, "BadParameter") }
        let all = state.secrets.filter { $0.value.number > after && clock.wall >= $0.value.busyUntil }.sorted { $0.value.number < $1.value.number }
        let items = all.prefix(size).map { JSON.object(members($0.key, $0.value, version: false, withValue: false)) }
        let next = all.count > size
            ? "https://\(host)/secrets?api-version=7.4&$skiptoken=\(all[size - 1].value.number)&maxresults=\(size)" : nil
        return HTTPResponse(
            status: 200,
            body: JSON.object([("value", .array(Array(items))), ("nextLink", next.map { JSON.string($0) } ?? .null)]).encode())
    }
}

/// A request by its parts.
struct FakeCall {
    let operation: FakeKeyVault.Operation
    let query: [String: String]
    let body: JSON
    private(set) var name = ""
    private(set) var version = ""
    let token: String?

    init(_ request: HTTPRequest) {
        let halves = request.path.split(separator: "?", maxSplits: 1)
        let pairs = halves.count < 2 ? [] : halves[1].split(separator: "&").map { $0.split(separator: "=", maxSplits: 1) }
        query = Dictionary(uniqueKeysWithValues: pairs.map { (String($0[0]), $0.count < 2 ? "" : String($0[1])) })
        body = request.body.flatMap { try? JSON.parse($0) } ?? .null
        token = request.sent("Authorization").flatMap { $0.hasPrefix("Bearer ") ? String($0.dropFirst(7)) : nil }
        let parts = halves[0].split(separator: "/", omittingEmptySubsequences: false).dropFirst().map(String.init)
        if parts.count > 1 { name = parts[1].lowercased() }
        if parts.count > 2 { version = parts[2] }
        switch (request.method, parts[0], parts.count) {
        case (.get, "secrets", 1): operation = .list
        case (.get, "secrets", 3): operation = .get
        case (.put, "secrets", 2): operation = .set
        case (.patch, "secrets", 3): operation = .update
        case (.delete, "secrets", 2): operation = .delete
        case (.post, "deletedsecrets", 3) where parts[2] == "recover": operation = .recover
        case (.delete, "deletedsecrets", 2): operation = .purge
        default: operation = .unknown
        }
    }
}
