import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferHashiCorp

/// Calls to a cluster whose nodes come and go.
@Suite(.timeLimit(.minutes(1))) struct HashiCorpClusterTests {
    private static let nodes = (1...3).map { HTTPOrigin(isSecure: true, host: "node-\($0)", port: 8200) }

    enum Node: Equatable {
        case active
        /// Reads itself, and forwards the rest.
        case standby
        /// Reads itself, and sends the rest to this node.
        case redirects(Int)
        /// Lags behind every index.
        case lags
        case leaderless, sealed
        /// Refuses connections.
        case dead
        /// Takes requests and never answers.
        case hangs
    }

    /// Three nodes, and what each of them was asked.
    final class Cluster: Sendable {
        private let states: Mutex<[Node]>
        private let asked = Mutex<[(node: Int, line: String)]>([])

        init(_ states: Node...) { self.states = Mutex(states) }

        subscript(index: Int) -> Node {
            get { states.withLock { $0[index] } }
            set { states.withLock { $0[index] = newValue } }
        }

        /// Those that had to do with records.
        var lines: [String] {
            asked.withLock { $0.filter { $0.line.contains("/data/") }.map { "\($0.node) \($0.line.prefix(4))" } }
        }

        var healthChecks: Int { asked.withLock { $0.count { $0.line.hasSuffix("sys/health") } } }

        func forget() { asked.withLock { $0 = [] } }

        func answer(_ request: HTTPRequest) async throws(HTTPError) -> HTTPResponse {
            let node = request.origin.flatMap { HashiCorpClusterTests.nodes.firstIndex(of: $0) } ?? 0
            asked.withLock { $0.append((node, "\(request.method.rawValue) \(request.path)")) }
            let state = self[node]
            switch state {
            case .dead: throw HTTPError(.refused, isUnsent: true)
            case .hangs: throw HTTPError(.deadline, isUnsent: false)
            case .sealed: return HTTPResponse(503, #"{"errors":["Vault is sealed"]}"#)
            default: break
            }
            if request.path.hasSuffix("sys/health") { return HTTPResponse(state == .active ? 200 : 429, "{}") }
            if state == .leaderless { return .leaderless }
            if state == .lags { return .lagging }
            if request.method == .get { return .absent }
            if case .redirects(let target) = state {
                return HTTPResponse(307, "", ["location": "https://node-\(target + 1):8200/v1/x"])
            }
            return .written(1)
        }
    }

    private func bed(_ cluster: Cluster) throws -> Bed {
        try bed { request, _ throws(HTTPError) in try await cluster.answer(request) }
    }

    /// With a token of which nothing has to be found out beside the calls.
    private func bed(
        nodes: [HTTPOrigin] = Self.nodes, _ script: @escaping ScriptedTransport.Script
    ) throws -> Bed {
        let files = Bed.Files()
        files["/token"] = "t"
        return try Bed(auth: .tokenFile("/token"), writesMetadata: false, nodes: nodes, files: files, script)
    }

    @Test(arguments: [Node.dead, .sealed, .lags])
    func aNodeThatCannotIsLeftForAnother(state: Node) async throws {
        let cluster = Cluster(state, .active, .standby)
        let bed = try bed(cluster)
        _ = try await bed.write(bed.sealed())
        #expect(cluster.lines == ["0 GET ", "1 GET ", "1 POST"])
        // And not asked first any more.
        cluster.forget()
        _ = try await bed.read("u", "other")
        #expect(cluster.lines == ["1 GET "])
    }

    @Test func anyNodeWillDo() async throws {
        let cluster = Cluster(.dead, .dead, .active)
        let bed = try bed(cluster)
        for _ in 0..<10 { _ = try await bed.read() }
        #expect(cluster.lines.prefix(3) == ["0 GET ", "1 GET ", "2 GET "])
        #expect(cluster.lines.count == 12)
    }

    @Test func allDeadIsSaidAtOnce() async throws {
        let cluster = Cluster(.dead, .sealed, .dead)
        let bed = try bed(cluster)
        let error = await failure { () async throws(Failure) in try await bed.read() }
        #expect(error?.code == .unavailable && error?.retryable == true)
        #expect(cluster.lines.count == 3)
    }

    /// What hangs may have been done: a write is not repeated, a read is.
    @Test func aNodeThatHangsIsLeft() async throws {
        let cluster = Cluster(.active, .standby, .standby)
        let bed = try bed(cluster)
        _ = try await bed.read()
        cluster[0] = .hangs
        #expect(try await bed.read() == nil)
        #expect(cluster.lines == ["0 GET ", "0 GET ", "1 GET "])
        cluster[0] = .active
        cluster[1] = .dead
        cluster[2] = .hangs
        let error = await failure { () async throws(Failure) in
            try await bed.vault.client.require(
                HashiCorpCall(.post, "secret/data/x", .object([JSON.Member]()), for: .write), deadline: bed.deadline)
        }
        #expect(error?.code == .deadlineExceeded && error?.isUnsent == false)
        cluster.forget()
        _ = try await bed.write(bed.sealed())
        #expect(cluster.lines == ["0 GET ", "0 POST"])
    }

    /// Standbys name the dead node until another one is active; then the Store goes on.
    @Test func aWriteWaitsForTheNextActiveNode() async throws {
        let cluster = Cluster(.dead, .redirects(0), .leaderless)
        let bed = try bed(cluster)
        let writes = (0..<20).map { number in
            Task {
                try await bed.vault.write(
                    try Bed.key("u", "\(number)"), bed.sealed(), condition: .none, deadline: bed.deadline)
            }
        }
        await bed.time.advance(milliseconds: 1500)
        let searched = cluster.healthChecks
        #expect((3...120).contains(searched), "one search for all who wait, \(searched) requests")
        #expect(cluster.lines.count { $0.hasSuffix("POST") } <= 20 * 4)
        cluster[1] = .redirects(2)
        cluster[2] = .active
        await bed.time.advance(milliseconds: 500)
        for write in writes { _ = try await write.value }
        cluster.forget()
        _ = try await bed.write(bed.sealed())
        #expect(cluster.lines == ["2 GET ", "2 POST"])
    }

    @Test func theNodeOfARedirectIsAskedFirstFromThenOn() async throws {
        let cluster = Cluster(.redirects(2), .dead, .active)
        let bed = try bed(cluster)
        _ = try await bed.write(bed.sealed())
        #expect(cluster.lines == ["0 GET ", "0 POST", "2 POST"])
        _ = try await bed.read("u", "other")
        #expect(cluster.lines.last == "2 GET ")
    }

    /// It would take the token along; and it says nothing against the vault.
    @Test func aNodeThatIsNotNamedIsNotGoneTo() async throws {
        let bed = try bed(nodes: []) { request, _ throws(HTTPError) in
            if request.origin != nil { throw HTTPError(.forbidden("x"), isUnsent: true) }
            // Which every node answers itself: it shows of no other call that it goes through.
            if request.path.hasPrefix("/v1/sys/health") { return HTTPResponse(429, #"{"initialized":true}"#) }
            return HTTPResponse(307, "", ["location": "https://other:8200/"])
        }
        for number in 0..<3 {
            let task = Task {
                await failure { () async throws(Failure) in
                    switch number {
                    case 0: try await bed.vault.check(deadline: bed.deadline)
                    case 1: _ = try await bed.read()
                    default: _ = try await bed.write(bed.sealed())
                    }
                }
            }
            // For one that would wait and ask again.
            await bed.time.advance(milliseconds: 5_000)
            let error = await task.value
            #expect(error?.code == .unavailable && error?.message.hasSuffix("add that node's address to nodes") == true)
            #expect(error?.effects.vault == .transient)
            let asked = bed.transport.lines.count { $0.contains("/data/") && $0.hasPrefix("GET") }
            #expect(asked == 2 * (number + 1), "the node, and the one that it names, once each")
        }
        #expect(bed.transport.lines.contains { $0.contains("sys/health") })
    }

    /// A standby that forwarded writes until now names the active node that has died: another is being chosen.
    @Test func aWriteBehindTheOneNodeThatIsKnownWaitsForTheNextActiveNode() async throws {
        let standby = Standby()
        let bed = try bed(nodes: []) { request, _ throws(HTTPError) in try standby.answer(request) }
        _ = try await bed.write(bed.sealed())
        standby.forwards.withLock { $0 = false }
        let ofOneThatGoesOn = await failureOfAWrite(bed) {
            if standby.redirects.withLock({ $0 }) >= 5 { standby.forwards.withLock { $0 = true } }
        }
        #expect(ofOneThatGoesOn == nil)
        #expect(standby.redirects.withLock { $0 } >= 5)
        // One that is never chosen is said, once the vault's patience is over.
        standby.forwards.withLock { $0 = false }
        let ofOneThatEnds = await failureOfAWrite(bed)
        #expect(ofOneThatEnds?.message.hasSuffix("add that node's address to nodes") == true)
    }

    private final class Standby: Sendable {
        let forwards = Mutex(true)
        let redirects = Mutex(0)

        func answer(_ request: HTTPRequest) throws(HTTPError) -> HTTPResponse {
            if request.origin != nil { throw HTTPError(.forbidden("x"), isUnsent: true) }
            if request.method == .get { return .absent }
            if forwards.withLock({ $0 }) { return .written(1) }
            redirects.withLock { $0 += 1 }
            return HTTPResponse(307, "", ["location": "https://other:8200/"])
        }
    }

    /// Moves time on until a write has ended.
    private func failureOfAWrite(_ bed: Bed, meanwhile: () -> Void = {}) async -> Failure? {
        final class End: Sendable { let isThere = Mutex(false) }
        let end = End()
        let write = Task { () async -> Failure? in
            defer { end.isThere.withLock { $0 = true } }
            do throws(Failure) {
                _ = try await bed.write(bed.sealed())
                return nil
            } catch {
                return error
            }
        }
        while !end.isThere.withLock({ $0 }) {
            await bed.time.advance(milliseconds: 50)
            meanwhile()
        }
        return await write.value
    }

    @Test func aCertificateThatDoesNotVerifyIsSaid() async throws {
        let bed = try bed { request, _ throws(HTTPError) in
            if request.origin == Self.nodes[0] { throw HTTPError(.untrusted, isUnsent: true) }
            return .absent
        }
        let error = await failure { () async throws(Failure) in try await bed.read() }
        #expect(error?.code == .failedPrecondition && error?.reason == .vaultUnreachable)
        #expect(try await bed.read() == nil)
    }
}
