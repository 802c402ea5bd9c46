import CofferCore
import CofferEtcd
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Foundation
import Synchronization

/// What `Tests/Live/run.py` says about the etcd that it started.
enum EtcdLive {
    static func variable(_ name: String) throws -> String {
        let name = "COFFER_LIVE_ETCD_\(name)"
        guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else {
            throw Live.Missing(name: name)
        }
        return value
    }

    /// Members at the addresses that the variable holds.
    static func members(_ name: String) throws -> [EtcdMember] {
        try variable(name).split(separator: ",").map { address in
            guard let origin = HTTPOrigin(address: String(address)) else { throw Live.Missing(name: name) }
            return EtcdMember(
                origin: origin, transport: try liveTransport(address: String(address), ca: try variable("CA")))
        }
    }

    static func login(_ user: String = "coffer", password: String? = nil) throws -> EtcdOptions.Login {
        EtcdOptions.Login(user: user, password: .value(Secret(try password ?? variable("PASSWORD"))))
    }

    /// A folder of its own for each test, unless it shares one.
    static func vault(
        _ members: [EtcdMember], login: EtcdOptions.Login? = nil, folder: String = UUID().uuidString,
        clock: any Clock = SystemClock()
    ) -> EtcdVault {
        EtcdVault(
            name: "live", options: EtcdOptions(prefix: "ai2-connectors/\(folder)", login: login), members: members,
            dependencies: EtcdDependencies(clock: clock) { path, _ throws(Failure) in
                guard let content = FileManager.default.contents(atPath: path) else {
                    throw Failure(.failedPrecondition, .vaultRefused, "\(path): cannot be read")
                }
                return content.withUnsafeBytes { Secret(copying: $0) }
            })
    }

    /// Returns once the watch of `heard` brings what `writer` writes: the record "first". That everything may have changed is
    /// also posted before a watch stands.
    static func waitForWatch(_ heard: HeardChanges, _ writer: EtcdVault) async throws {
        let key = try Live.key("u", "first")
        let hears = try await eventually(seconds: 30) {
            _ = try? await writer.write(key, Live.sealed(UUID().uuidString), condition: .none, deadline: deadline)
            return heard.records.contains("first")
        }
        guard hears else { throw Live.Missing(name: "a watch") }
    }

    /// What an operator sees: the gateway's answer to a call.
    static func ask(
        _ name: String, _ path: String, _ body: [String: Any], token: String? = nil
    ) async throws -> [String: Any] {
        let content = try JSONSerialization.data(withJSONObject: body)
        let headers = token.map { [HTTPHeader("Authorization", $0)] } ?? []
        let request = HTTPRequest(
            .post, "/v3/\(path)", headers: headers, body: content.withUnsafeBytes { Secret(copying: $0) })
        let answer = try await members(name)[0].transport.send(request, deadline: deadline)
        let data = answer.body.withUnsafeBytes { Data($0) }
        return try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
    }

    static func token(_ name: String, _ user: String = "coffer") async throws -> String {
        let password = try variable(user == "root" ? "ROOT_PASSWORD" : "PASSWORD")
        return try await ask(name, "auth/authenticate", ["name": user, "password": password])["token"] as? String ?? ""
    }

    static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    static var deadline: BootInstant { SystemClock().boot + .seconds(20) }
}

/// A node of the cluster of three, by its process. `Tests/Live/etcd.py` starts it again 3 s after it ended.
struct EtcdNode: Sendable {
    let index: Int

    /// The member that leads now.
    static func leader() async throws -> EtcdNode {
        for _ in 0..<200 {
            for (index, member) in try EtcdLive.members("CLUSTER").enumerated() {
                let request = HTTPRequest(.post, "/v3/maintenance/status", body: Secret("{}"))
                guard let answer = try? await member.transport.send(request, deadline: SystemClock().boot + .seconds(1)),
                    let json = try? JSONSerialization.jsonObject(with: answer.body.withUnsafeBytes { Data($0) }) as? [String: Any],
                    let header = json["header"] as? [String: Any], let leader = json["leader"] as? String, leader != "0",
                    header["member_id"] as? String == leader
                else { continue }
                return EtcdNode(index: index)
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw Live.Missing(name: "a leader")
    }

    private var pid: pid_t? {
        guard let folder = try? EtcdLive.variable("PIDS") else { return nil }
        return (try? String(contentsOfFile: "\(folder)/n\(index + 1).pid", encoding: .utf8)).flatMap { pid_t($0) }
    }

    /// Whether there is such a process, and it was sent.
    @discardableResult
    func send(_ signal: Int32) -> Bool { pid.map { kill($0, signal) == 0 } ?? false }

    private var isThere: Bool { send(0) }

    /// Stops the node, and returns when none of its threads runs. `kill` returns before: one thread has to take the signal to
    /// stop the others, and on a busy machine these still serve until it gets a processor.
    func stop() {
        guard let pid, kill(pid, SIGSTOP) == 0 else { return }
        let tasks = "/proc/\(pid)/task"
        for _ in 0..<2_000 {
            let threads = (try? FileManager.default.contentsOfDirectory(atPath: tasks)) ?? []
            let states = threads.compactMap { try? String(contentsOfFile: "\(tasks)/\($0)/stat", encoding: .utf8) }
            // "PID (NAME) STATE …"
            if states.allSatisfy({ $0.split(separator: ")").last?.hasPrefix(" T") == true }) { return }
            usleep(1_000)
        }
    }

    /// Runs `body` while the node is stopped.
    func stopped<R>(_ body: () async throws -> R) async throws -> R {
        stop()
        defer { send(SIGCONT) }
        return try await body()
    }

    /// Runs `body`, in which the node may be stopped.
    func continued<R>(_ body: () async throws -> R) async throws -> R {
        defer { send(SIGCONT) }
        return try await body()
    }

    /// All three answer reads, which needs a leader.
    static func allWork() async throws {
        for (index, member) in try EtcdLive.members("CLUSTER").enumerated() {
            let request = HTTPRequest(.post, "/v3/kv/range", body: Secret(#"{"key":"YQ=="}"#))
            let works = try await eventually(seconds: 30) {
                let answer = try? await member.transport.send(request, deadline: SystemClock().boot + .seconds(2))
                return answer?.status == 200 && EtcdNode(index: index).isThere
            }
            guard works else { throw Live.Missing(name: "a node of the cluster") }
        }
    }
}

/// A way to a member whose streams can be cut.
final class CuttableTransport: HTTPTransport {
    private let inner: any HTTPTransport
    private let state = Mutex<(streams: [HTTPStream], count: Int)>(([], 0))

    init(_ inner: any HTTPTransport) { self.inner = inner }

    /// Streams that were begun.
    var count: Int { state.withLock { $0.count } }

    func cut() {
        let streams = state.withLock { state in
            defer { state.streams = [] }
            return state.streams
        }
        for stream in streams { stream.cancel() }
    }

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        try await inner.send(request, deadline: deadline)
    }

    func stream(_ request: HTTPRequest, idle: Duration, deadline: BootInstant) async throws(HTTPError) -> HTTPStream {
        let stream = try await inner.stream(request, idle: idle, deadline: deadline)
        state.withLock { state in
            state.streams.append(stream)
            state.count += 1
        }
        return stream
    }
}
