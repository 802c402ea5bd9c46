import CofferCore
import CofferHTTP
import CofferVaultConformance
import CofferVaultKit
import Synchronization

@testable import CofferFly

/// As much of the Machines API as the adapter uses, with answers put in between. Tests/Live/fake_fly.py is the whole one.
///
/// It is as unkind as the API may be: lists and updates without a version of the secrets get them from a replica that has seen
/// nothing of what was written by the API since `catchUp`, and an update fixes the secrets when it is asked for.
final class FakeFly: HTTPTransport {
    static let app = "my-app"

    struct Entry {
        var value: String
        var digest: String
    }

    /// The app's secrets, as one version has them.
    struct Secrets {
        var entries: [String: Entry] = [:]
        var version: UInt64 = 40
    }

    struct Machine {
        let id: String
        var state: String
        var instance = 1
        /// What its last update has fixed.
        var environment: [String: String] = [:]
    }

    struct State {
        var secrets = Secrets()
        var replica = Secrets()
        /// Whether answers have digests and versions.
        var tellsDigests = true
        var tellsVersions = true
        var machines: [Machine] = []
        /// Requests that are still on their way.
        var late: [HTTPRequest] = []
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
        /// Loses the answer at once, and does it when `land` is called.
        case late
    }

    let state = Mutex(State())
    /// Is told of each call before it is answered.
    let watcher = Mutex<(@Sendable (String) -> Void)?>(nil)
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
    var values: [String: String] { state.withLock { $0.secrets.values } }

    /// As another program does it, long ago.
    func set(_ name: String, _ value: String) { change { $0.set(name, value) } }
    func unset(_ name: String) { change { $0.unset(name) } }

    /// As another program does it just now: the replica does not know yet.
    func setUnseen(_ name: String, _ value: String) { state.withLock { $0.secrets.set(name, value) } }

    private func change(_ change: (inout Secrets) -> Void) {
        state.withLock { state in
            change(&state.secrets)
            state.replica = state.secrets
        }
    }

    /// Time has passed: the replica knows all.
    func catchUp() { change { _ in } }

    /// What was on its way arrives.
    func land() {
        state.withLock { state in
            for request in state.late { _ = answer(Self.call(request), request, &state) }
            state.late = []
        }
    }

    static func call(_ request: HTTPRequest) -> String {
        let path = request.path.split(separator: "?")[0].replacing("/v1/apps/\(app)/", with: "")
        return "\(request.method.rawValue) \(path)"
    }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        await Task.yield()
        guard clock.boot < deadline else { throw HTTPError(.deadline, isUnsent: true) }
        let call = Self.call(request)
        let watch = watcher.withLock { $0 }
        watch?(call)
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
            case .late:
                state.late.append(request)
                throw HTTPError(.interrupted, isUnsent: false)
            }
        }
    }

    // MARK: The API

    private func answer(_ call: String, _ request: HTTPRequest, _ state: inout State) -> HTTPResponse {
        let parts = call.split(separator: " ").map(String.init)
        let path = parts[1].split(separator: "/").map(String.init)
        let body = request.body.flatMap { try? JSON.parse($0) }
        switch (parts[0], path[0], path.count) {
        case ("GET", "secrets", 1): return list(request, state)
        case ("POST", "secrets", 2):
            guard let value = body?["value"]?.text else { return refusal(400) }
            state.secrets.set(path[1], value)
            let entry = state.secrets.entries[path[1]].map { Self.secret(path[1], $0, state) } ?? []
            return ok(.object(entry + version(state)))
        // What is not there is unset all the same.
        case ("DELETE", "secrets", 2):
            state.secrets.unset(path[1])
            return ok(.object(version(state)))
        case ("GET", "machines", 1): return ok(.array(state.machines.map(Self.shown)))
        case ("POST", "machines", 2):
            guard let index = state.machines.firstIndex(where: { $0.id == path[1] }) else { return refusal(404) }
            return update(index, body, &state)
        case ("GET", "machines", 3):
            guard let index = state.machines.firstIndex(where: { $0.id == path[1] }) else { return refusal(404) }
            guard request.path.contains("&instance_id=i\(state.machines[index].instance)") else { return refusal(400) }
            state.machines[index].state = "started"
            return ok(.object([("ok", .bool(true))]))
        default: return refusal(404)
        }
    }

    private func list(_ request: HTTPRequest, _ state: State) -> HTTPResponse {
        let least = request.path.split(separator: "min_version=").dropFirst().first.flatMap { UInt64($0) } ?? 0
        guard least <= state.secrets.version else { return refusal(412) }
        let known = least <= state.replica.version ? state.replica : state.secrets
        return ok(.object([("secrets", .array(known.entries.map { JSON.object(Self.secret($0.key, $0.value, state)) }))]))
    }

    private func update(_ index: Int, _ body: JSON?, _ state: inout State) -> HTTPResponse {
        let machine = state.machines[index]
        let least = body?["min_secrets_version"]?.integer.flatMap { UInt64(exactly: $0) } ?? 0
        guard body?["config"]?["image"] != nil else { return refusal(400) }
        guard body?["current_version"]?.text ?? "i\(machine.instance)" == "i\(machine.instance)", least <= state.secrets.version
        else { return refusal(412) }
        state.machines[index].instance += 1
        state.machines[index].environment = (least <= state.replica.version ? state.replica : state.secrets).values
        state.machines[index].state = body?["skip_launch"]?.bool == true ? "stopped" : "starting"
        return ok(.object([("id", .string(machine.id)), ("instance_id", .string("i\(machine.instance + 1)"))]))
    }

    private static func shown(_ machine: Machine) -> JSON {
        .object([
            ("id", .string(machine.id)), ("state", .string(machine.state)), ("instance_id", .string("i\(machine.instance)")),
            ("config", .object([("image", .string("img")), ("guest", .object([("cpus", .number("1.50"))]))])),
        ])
    }

    private static func secret(_ name: String, _ entry: Entry, _ state: State) -> [(name: String, value: JSON)] {
        [("name", .string(name)), ("created_at", .string("2026-11-30T10:00:00Z"))]
            + (state.tellsDigests ? [("digest", .string(entry.digest))] : [])
    }

    private func version(_ state: State) -> [(name: String, value: JSON)] {
        state.tellsVersions ? [("Version", .integer(state.secrets.version))] : []
    }

    private func ok(_ body: JSON) -> HTTPResponse { HTTPResponse(status: 200, body: body.encode()) }
    private func refusal(_ status: Int) -> HTTPResponse {
        HTTPResponse(status: status, body: Secret(#"{"error":"raw text of the API"}"#))
    }
}

extension FakeFly.Secrets {
    var values: [String: String] { entries.mapValues(\.value) }

    mutating func set(_ name: String, _ value: String) {
        version += 1
        // The same digest for the same value.
        entries[name] = FakeFly.Entry(
            value: value, digest: "digest-\(value.utf8.reduce(UInt64(5)) { $0 &* 31 &+ UInt64($1) })")
    }

    mutating func unset(_ name: String) {
        version += 1
        entries[name] = nil
    }
}
