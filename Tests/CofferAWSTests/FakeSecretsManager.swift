import CofferCore
import CofferHTTP
import CofferVaultConformance
import CofferVaultKit
import Synchronization

@testable import CofferAWS

/// As much of the service as the adapter uses, with answers put in between.
final class FakeSecretsManager: HTTPTransport {
    struct Stored {
        /// SecretString, or SecretBinary where that was given.
        var text: String
        var isBinary = false
        var token: String
        var created: Double
        var isScheduled = false
        var body: JSON
    }

    struct State {
        var secrets: [String: Stored] = [:]
        var calls: [String] = []
        var bodies: [JSON] = []
        var requests: [HTTPRequest] = []
        /// Answers to give first: by operation, each once, in order.
        var planned: [(operation: String, answer: Answer)] = []
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

    var calls: [String] { state.withLock { $0.calls } }
    var bodies: [JSON] { state.withLock { $0.bodies } }
    var requests: [HTTPRequest] { state.withLock { $0.requests } }
    func forget() { state.withLock { ($0.calls, $0.bodies, $0.requests) = ([], [], []) } }

    func plan(_ operation: String, _ answer: Answer) {
        state.withLock { $0.planned.append((operation, answer)) }
    }

    func plan(
        _ operation: String, refusal name: String, message: String = "", status: Int = 400,
        headers: HTTPFields = [:]
    ) {
        plan(operation, .response(Self.refusal(name, message, status: status, headers: headers)))
    }

    static func refusal(
        _ name: String, _ message: String = "", status: Int = 400, headers: HTTPFields = [:]
    ) -> HTTPResponse {
        HTTPResponse(
            status: status, headers: headers,
            body: JSON.object([("__type", .string(name)), ("Message", .string(message))]).encode())
    }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        await Task.yield()
        let target = request.headers.first { $0.name == "X-Amz-Target" }.flatMap { $0.value.text } ?? ""
        let operation = target.split(separator: ".").last.map(String.init) ?? ""
        guard clock.boot < deadline else { throw HTTPError(.deadline, isUnsent: true) }
        guard let body = request.body.flatMap({ try? JSON.parse($0) }) else {
            throw HTTPError(.malformed, isUnsent: false)
        }
        return try state.withLock { state throws(HTTPError) in
            state.calls.append(operation)
            state.bodies.append(body)
            state.requests.append(request)
            if let index = state.planned.firstIndex(where: { $0.operation == operation }) {
                switch state.planned.remove(at: index).answer {
                case .response(let response): return response
                case .error(let error): throw error
                case .lost:
                    _ = answer(operation, body, &state)
                    throw HTTPError(.interrupted, isUnsent: false)
                }
            }
            return answer(operation, body, &state)
        }
    }

    // MARK: The service

    private func answer(_ operation: String, _ body: JSON, _ state: inout State) -> HTTPResponse {
        let name = (body["SecretId"] ?? body["Name"])?.text ?? ""
        switch operation {
        case "GetSecretValue": return value(name, state)
        case "BatchGetSecretValue": return batch(body, state)
        case "ListSecrets": return list(body, state)
        case "CreateSecret":
            guard let old = state.secrets[name] else { return put(name, body, &state) }
            return old.isScheduled ? scheduled : Self.refusal("ResourceExistsException")
        case "PutSecretValue":
            guard let old = state.secrets[name] else { return missing }
            if old.isScheduled { return scheduled }
            if old.token == body["ClientRequestToken"]?.text, old.text != (body["SecretString"] ?? body["SecretBinary"])?.text {
                return Self.refusal("ResourceExistsException")
            }
            return put(name, body, &state)
        case "RestoreSecret":
            guard state.secrets[name] != nil else { return missing }
            state.secrets[name]?.isScheduled = false
            return ok([])
        case "DeleteSecret":
            if body["ForceDeleteWithoutRecovery"]?.bool == true {
                state.secrets[name] = nil
            } else {
                guard state.secrets[name] != nil else { return missing }
                state.secrets[name]?.isScheduled = true
            }
            return ok([])
        case "DescribeSecret":
            guard let secret = state.secrets[name] else { return missing }
            return ok(secret.isScheduled ? [("DeletedDate", .number("1.5"))] : [])
        default: return Self.refusal("UnknownOperationException")
        }
    }

    private func ok(_ members: [(name: String, value: JSON)]) -> HTTPResponse {
        HTTPResponse(status: 200, body: JSON.object(members).encode())
    }

    private var missing: HTTPResponse { Self.refusal("com.amazonaws.secretsmanager#ResourceNotFoundException") }
    private var scheduled: HTTPResponse {
        Self.refusal("InvalidRequestException", "You can't do this: the secret was marked for deletion.")
    }

    private func put(_ name: String, _ body: JSON, _ state: inout State) -> HTTPResponse {
        state.secrets[name] = Stored(
            text: (body["SecretString"] ?? body["SecretBinary"])?.text ?? "", isBinary: body["SecretBinary"] != nil, token: body["ClientRequestToken"]?.text ?? "",
            created: Double(clock.wall) / 1000, body: body)
        return ok([("Name", .string(name))])
    }

    private func members(_ name: String, _ secret: Stored) -> [(name: String, value: JSON)] {
        [
            ("Name", .string(name)), ("VersionId", .string(secret.token)), (secret.isBinary ? "SecretBinary" : "SecretString", .string(secret.text)),
            ("CreatedDate", .number(String(secret.created))),
        ]
    }

    private func value(_ name: String, _ state: State) -> HTTPResponse {
        guard let secret = state.secrets[name] else { return missing }
        return secret.isScheduled ? scheduled : ok(members(name, secret))
    }

    private func batch(_ body: JSON, _ state: State) -> HTTPResponse {
        let names = body["SecretIdList"]?.elements?.compactMap(\.text) ?? []
        guard names.count <= 20 else { return Self.refusal("InvalidParameterException") }
        var (values, errors): ([JSON], [JSON]) = ([], [])
        for name in names {
            if let secret = state.secrets[name], !secret.isScheduled {
                values.append(.object(members(name, secret)))
            } else {
                errors.append(
                    .object([
                        ("SecretId", .string(name)),
                        (
                            "ErrorCode",
                            .string(
                                state.secrets[name] == nil ? "ResourceNotFoundException" : "InvalidRequestException")
                        ),
                        ("Message", .string("marked for deletion")),
                    ]))
            }
        }
        return ok([("SecretValues", .array(values)), ("Errors", .array(errors))])
    }

    private func list(_ body: JSON, _ state: State) -> HTTPResponse {
        let prefix = body["Filters"]?.elements?.first?["Values"]?.elements?.first?.text ?? ""
        let after = body["NextToken"]?.text ?? ""
        let size = Int(body["MaxResults"]?.integer ?? 100)
        guard after.isEmpty || after.hasPrefix("after ") else { return Self.refusal("InvalidNextTokenException") }
        let names = state.secrets.keys.sorted().filter { "after \($0)" > after && $0.hasPrefix(prefix) }
            .filter { state.secrets[$0]?.isScheduled == false }
        var members: [(name: String, value: JSON)] = [
            ("SecretList", .array(names.prefix(size).map { .object([("Name", .string($0))]) }))
        ]
        if names.count > size { members.append(("NextToken", .string("after \(names[size - 1])"))) }
        return ok(members)
    }
}
