import CofferCore
import CofferHTTP
import CofferVaultConformance
import CofferVaultKit
import Synchronization

@testable import CofferFly

/// As much of the Machines API as the adapter uses, with answers put in between. Tests/Live/fake_fly.py is the whole one.
final class FakeFly: HTTPTransport {
    static let app = "my-app"

    struct Entry {
        var value: String
        var digest: String
    }

    struct State {
        var secrets: [String: Entry] = [:]
        var version: UInt64 = 40
        /// Whether answers have digests.
        var tellsDigests = true
        /// Ids, states and instances.
        var machines: [(id: String, state: String, instance: Int)] = []
        var requests: [HTTPRequest] = []
        /// Answers to give first: by what the call is, each once, in order.
        var planned: [(call: String, answer: Answer)] = []
    }

    enum Answer {
        case response(HTTPResponse)
        case error(HTTPError)
        /// Does it, and then loses the answer.
        case lost
        /// Loses the request.
        case unsent
    }

    let state = Mutex(State())
    let clock: any Clock

    init(clock: any Clock) { self.clock = clock }

    var requests: [HTTPRequest] { state.withLock { $0.requests } }
    /// "GET secrets", "POST secrets/CONNECTOR_a_b", …
    var calls: [String] { requests.map(Self.call) }
    func forget() { state.withLock { $0.requests = [] } }
    func plan(_ call: String, _ answer: Answer) { state.withLock { $0.planned.append((call, answer)) } }

    func plan(_ call: String, _ status: Int, _ body: String = #"{"error":"raw text of the API"}"#, headers: HTTPFields = [:]) {
        plan(call, .response(HTTPResponse(status: status, headers: headers, body: Secret(body))))
    }

    /// Values by name, as the app's Machines would have them after an update.
    var values: [String: String] { state.withLock { $0.secrets.mapValues(\.value) } }

    /// As another program does it.
    func set(_ name: String, _ value: String) { state.withLock { Self.set(name, value, &$0) } }
    func unset(_ name: String) { state.withLock { _ = $0.secrets.removeValue(forKey: name) } }

    private static func set(_ name: String, _ value: String, _ state: inout State) {
        state.version += 1
        // The same digest for the same value.
        state.secrets[name] = Entry(value: value, digest: "digest-\(value.utf8.reduce(UInt64(5)) { $0 &* 31 &+ UInt64($1) })")
    }

    static func call(_ request: HTTPRequest) -> String {
        let path = request.path.split(separator: "?")[0].replacing("/v1/apps/\(app)/", with: "")
        return "\(request.method.rawValue) \(path)"
    }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        await Task.yield()
        guard clock.boot < deadline else { throw HTTPError(.deadline, isUnsent: true) }
        let call = Self.call(request)
        return try state.withLock { state throws(HTTPError) in
            state.requests.append(request)
            guard let index = state.planned.firstIndex(where: { call.hasPrefix($0.call) }) else {
                return answer(call, request, &state)
            }
            switch state.planned.remove(at: index).answer {
            case .response(let response): return response
            case .error(let error): throw error
            case .lost:
                _ = answer(call, request, &state)
                throw HTTPError(.interrupted, isUnsent: false)
            case .unsent: throw HTTPError(.interrupted, isUnsent: false)
            }
        }
    }

    // MARK: The API

    private func answer(_ call: String, _ request: HTTPRequest, _ state: inout State) -> HTTPResponse {
        let parts = call.split(separator: " ").map(String.init)
        let path = parts[1].split(separator: "/").map(String.init)
        switch (parts[0], path[0], path.count) {
        case ("GET", "secrets", 1):
            let all = state.secrets.map { JSON.object(Self.secret($0.key, $0.value, state)) }
            return ok(.object([("secrets", .array(all))]))
        case ("POST", "secrets", 2):
            guard let value = request.body.flatMap({ try? JSON.parse($0) })?["value"]?.text else { return refusal(400) }
            Self.set(path[1], value, &state)
            let entry = state.secrets[path[1]].map { Self.secret(path[1], $0, state) } ?? []
            return ok(.object(entry + [("version", .integer(state.version))]))
        case ("DELETE", "secrets", 2):
            guard state.secrets.removeValue(forKey: path[1]) != nil else { return refusal(404) }
            state.version += 1
            return ok(.object([("Version", .integer(state.version))]))
        case ("GET", "machines", 1):
            return ok(
                .array(
                    state.machines.map { machine in
                        .object([
                            ("id", .string(machine.id)), ("state", .string(machine.state)),
                            ("instance_id", .string("i\(machine.instance)")),
                            ("config", .object([("image", .string("img")), ("guest", .object([("cpus", .number("1.50"))]))])),
                        ])
                    }))
        case ("POST", "machines", 2):
            guard let index = state.machines.firstIndex(where: { $0.id == path[1] }) else { return refusal(404) }
            state.machines[index].instance += 1
            return ok(.object([("id", .string(path[1])), ("instance_id", .string("i\(state.machines[index].instance)"))]))
        case ("GET", "machines", 3): return ok(.object([("ok", .bool(true))]))
        default: return refusal(404)
        }
    }

    private static func secret(_ name: String, _ entry: Entry, _ state: State) -> [(name: String, value: JSON)] {
        [("name", .string(name)), ("created_at", .string("2026-11-30T10:00:00Z"))]
            + (state.tellsDigests ? [("digest", .string(entry.digest))] : [])
    }

    private func ok(_ body: JSON) -> HTTPResponse { HTTPResponse(status: 200, body: body.encode()) }
    private func refusal(_ status: Int) -> HTTPResponse {
        HTTPResponse(status: status, body: Secret(#"{"error":"raw text of the API"}"#))
    }
}
