import CofferCore
import CofferHTTP
import CofferVaultConformance
import CofferVaultKit
import Synchronization

@testable import CofferCloudflare

/// As much of the API as the adapters use, with answers put in between.
final class FakeCloudflare: HTTPTransport {
    static let account = String(repeating: "a", count: 32)
    static let namespace = String(repeating: "b", count: 32)
    static let store = String(repeating: "c", count: 32)

    struct Entry {
        var value: String
        var metadata: JSON?
        /// Seconds since 1970.
        var expiration: UInt64?
    }

    struct SecretEntry {
        let id: String
        let name: String
        var value: String
        var scopes: [String]
    }

    struct State {
        /// By bytes, as the service tells keys apart.
        var keys: [ByteText: Entry] = [:]
        var secrets: [SecretEntry] = []
        var quota = 100
        /// Secrets to a page, at most.
        var secretsInPage = 100
        /// Whether listings of secrets say how many pages there are.
        var tellsPages = true
        var requests: [HTTPRequest] = []
        /// Answers to give first: by what the call is, each once, in order.
        var planned: [(call: String, answer: Answer)] = []
    }

    enum Answer {
        case response(HTTPResponse)
        case error(HTTPError)
        /// Does it, and then loses the answer.
        case lost
    }

    let state = Mutex(State())
    let clock: any Clock

    init(clock: any Clock) { self.clock = clock }

    var requests: [HTTPRequest] { state.withLock { $0.requests } }
    /// "PUT values", "POST bulk/get", …
    var calls: [String] { requests.map(Self.call) }
    func forget() { state.withLock { $0.requests = [] } }

    func plan(_ call: String, _ answer: Answer) { state.withLock { $0.planned.append((call, answer)) } }

    func plan(_ call: String, _ status: Int, code: Int, _ message: String = "raw text", headers: HTTPFields = [:]) {
        plan(call, .response(Self.refusal(status, code, message, headers: headers)))
    }

    static func refusal(_ status: Int, _ code: Int, _ message: String, headers: HTTPFields = [:]) -> HTTPResponse {
        let error = JSON.object([("code", .integer(code)), ("message", .string(message))])
        let body = JSON.object([
            ("success", .bool(false)), ("errors", .array([error])), ("messages", .array([])), ("result", .null),
        ])
        return HTTPResponse(status: status, headers: headers, body: body.encode())
    }

    /// What a request is, without ids and keys.
    static func call(_ request: HTTPRequest) -> String {
        var parts = request.path.split(separator: "?")[0].split(separator: "/").map(String.init)
        parts.removeFirst(min(parts.count, 2))
        let path = parts.filter { !CloudflareSettings.isID($0) }.joined(separator: "/")
            .replacing("accounts/storage/kv/namespaces/", with: "").replacing("accounts/secrets_store/", with: "")
        return "\(request.method.rawValue) \(path.hasPrefix("values/") ? "values" : path)"
    }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        await Task.yield()
        guard clock.boot < deadline else { throw HTTPError(.deadline, isUnsent: true) }
        let call = Self.call(request)
        return try state.withLock { state throws(HTTPError) in
            state.requests.append(request)
            guard let index = state.planned.firstIndex(where: { $0.call == call }) else {
                return answer(call, request, &state)
            }
            switch state.planned.remove(at: index).answer {
            case .response(let response): return response
            case .error(let error): throw error
            case .lost:
                _ = answer(call, request, &state)
                throw HTTPError(.interrupted, isUnsent: false)
            }
        }
    }

    // MARK: The API

    private func answer(_ call: String, _ request: HTTPRequest, _ state: inout State) -> HTTPResponse {
        let body = request.body.flatMap { try? JSON.parse($0) }
        let query = Self.query(request.path)
        switch call {
        case "GET accounts": return ok(page(query, [.object([("id", .string(Self.account)), ("name", .string("one"))])]))
        case "GET accounts/storage/kv/namespaces":
            return ok(page(query, [.object([("id", .string(Self.namespace)), ("title", .string("credentials"))])]))
        case "GET stores": return ok(page(query, [.object([("id", .string(Self.store)), ("name", .string("default"))])]))
        case "POST bulk/get": return read(body?["keys"]?.elements?.compactMap(\.text) ?? [], state)
        case "PUT values": return put(request, query, &state)
        case "DELETE values":
            state.keys[ByteText(Self.key(request))] = nil
            return ok(.null)
        case "GET keys": return list(query, state)
        case "GET stores/secrets":
            let found = state.secrets.filter { $0.name.contains(query["search"] ?? "") }.map { secret in
                JSON.object([("id", .string(secret.id)), ("name", .string(secret.name))])
            }
            return secrets(query, found, state)
        case "POST stores/secrets": return create(body?.elements?.first, &state)
        case "PATCH stores/secrets", "DELETE stores/secrets": return change(request, body, &state)
        case "GET quota":
            return ok(.object([("secrets", .object([("quota", .integer(state.quota)), ("usage", .integer(state.secrets.count))]))]))
        default: return Self.refusal(404, 7003, "no route")
        }
    }

    private func ok(_ result: JSON, _ information: JSON = .null) -> HTTPResponse {
        HTTPResponse(
            status: 200,
            body: JSON.object([
                ("success", .bool(true)), ("errors", .array([])), ("messages", .array([])), ("result", result),
                ("result_info", information),
            ]).encode())
    }

    private func page(_ query: [String: String], _ all: [JSON]) -> JSON { .array(query["page"] == "1" ? all : []) }

    private func secrets(_ query: [String: String], _ all: [JSON], _ state: State) -> HTTPResponse {
        let size = min(Int(query["per_page"] ?? "") ?? 100, state.secretsInPage)
        let page = Int(query["page"] ?? "") ?? 1
        let pages = (all.count + size - 1) / size
        return ok(
            .array(Array(all.dropFirst((page - 1) * size).prefix(size))),
            .object([("page", .integer(page))] + (state.tellsPages ? [("total_pages", .integer(pages))] : [])))
    }

    private func read(_ names: [String], _ state: State) -> HTTPResponse {
        guard (1...100).contains(names.count) else { return Self.refusal(400, 10029, "invalid request") }
        let values = names.map { name -> (name: String, value: JSON) in
            guard let entry = live(name, state) else { return (name, .null) }
            return (
                name,
                .object([("value", .string(entry.value)), ("metadata", entry.metadata ?? .null)]
                    + (entry.expiration.map { [("expiration", .integer($0))] } ?? []))
            )
        }
        return ok(.object([("values", .object(values))]))
    }

    private func live(_ name: String, _ state: State) -> Entry? {
        guard let entry = state.keys[ByteText(name)] else { return nil }
        return entry.expiration.map { clock.wall < $0 * 1_000 } ?? true ? entry : nil
    }

    private func put(_ request: HTTPRequest, _ query: [String: String], _ state: inout State) -> HTTPResponse {
        let form = Self.form(request)
        let ttl = query["expiration_ttl"].flatMap { UInt64($0) }
        guard ttl ?? 60 >= 60 else { return Self.refusal(400, 10034, "invalid expiration_ttl") }
        guard form["metadata"]?.utf8.count ?? 0 <= 1_024, let value = form["value"] else {
            return Self.refusal(400, 10047, "invalid metadata")
        }
        state.keys[ByteText(Self.key(request))] = Entry(
            value: value, metadata: form["metadata"].flatMap { try? JSON.parse(Secret($0)) },
            expiration: ttl.map { clock.wall / 1_000 + $0 })
        return ok(.null)
    }

    private func list(_ query: [String: String], _ state: State) -> HTTPResponse {
        let limit = Int(query["limit"] ?? "") ?? 1_000
        guard (10...1_000).contains(limit) else { return Self.refusal(400, 10028, "invalid limit") }
        let after = query["cursor"].map { String($0.dropFirst(6)) } ?? ""
        guard query["cursor"]?.hasPrefix("after ") ?? true else { return Self.refusal(400, 10041, "invalid cursor") }
        let all = state.keys.keys.map(\.text).filter { live($0, state) != nil && $0.utf8.starts(with: (query["prefix"] ?? "").utf8) }
            .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            .filter { after.utf8.lexicographicallyPrecedes($0.utf8) }
        let cursor = all.count > limit ? "after \(all[limit - 1])" : ""
        return ok(
            .array(all.prefix(limit).map { .object([("name", .string($0))]) }), .object([("cursor", .string(cursor))]))
    }

    private func create(_ secret: JSON?, _ state: inout State) -> HTTPResponse {
        guard let name = secret?["name"]?.text, let value = secret?["value"]?.text,
            let scopes = secret?["scopes"]?.elements?.compactMap(\.text)
        else { return Self.refusal(400, 1001, "invalid_json_body") }
        guard !state.secrets.contains(where: { $0.name == name }) else {
            return Self.refusal(409, 1003, "secret_name_already_exists")
        }
        guard state.secrets.count < state.quota else { return Self.refusal(400, 1003, "maximum_secrets_exceeded") }
        let digits = String(state.requests.count, radix: 16)
        let id = String(repeating: "0", count: 32 - digits.count) + digits
        state.secrets.append(SecretEntry(id: id, name: name, value: value, scopes: scopes))
        return ok(.array([.object([("id", .string(id)), ("name", .string(name)), ("status", .string("pending"))])]))
    }

    private func change(_ request: HTTPRequest, _ body: JSON?, _ state: inout State) -> HTTPResponse {
        let id = request.path.split(separator: "/").last.map(String.init) ?? ""
        guard let index = state.secrets.firstIndex(where: { $0.id == id }) else {
            return Self.refusal(404, 1001, "secret_not_found")
        }
        if request.method == .delete {
            state.secrets.remove(at: index)
        } else {
            if let value = body?["value"]?.text { state.secrets[index].value = value }
            if let scopes = body?["scopes"]?.elements { state.secrets[index].scopes = scopes.compactMap(\.text) }
        }
        return ok(.object([("id", .string(id))]))
    }

    // MARK: Requests

    static func key(_ request: HTTPRequest) -> String {
        let path = request.path.split(separator: "?")[0]
        return decoded(String(path.split(separator: "/").last ?? ""))
    }

    static func query(_ path: String) -> [String: String] {
        guard let mark = path.firstIndex(of: "?") else { return [:] }
        var pairs: [String: String] = [:]
        for pair in path[path.index(after: mark)...].split(separator: "&") {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            pairs[sides[0]] = decoded(sides.count == 2 ? sides[1] : "")
        }
        return pairs
    }

    static func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = ArraySlice(text.utf8)
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

    /// The parts of a multipart body.
    static func form(_ request: HTTPRequest) -> [String: String] {
        guard let boundary = request.sent("content-type")?.split(separator: "boundary=").last else { return [:] }
        var parts: [String: String] = [:]
        for part in request.sentText.split(separator: "--" + boundary) {
            guard let gap = part.firstRange(of: "\r\n\r\n"), let name = part.split(separator: "\"").dropFirst().first
            else { continue }
            parts[String(name)] = String(part[gap.upperBound...].dropLast(1))
        }
        return parts
    }
}

extension HTTPRequest {
    func sent(_ name: String) -> String? {
        headers.first { $0.name.lowercased() == name }.flatMap { $0.value.text }
    }

    var sentText: String { body.flatMap(\.text) ?? "" }
}
