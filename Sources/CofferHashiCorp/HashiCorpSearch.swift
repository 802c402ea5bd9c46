internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// Looks for the active node of a cluster, once for all calls that wait for it.
struct HashiCorpSearch: Sendable {
    /// How long a node is waited for when others can be asked.
    static let silence = Duration.seconds(1)
    /// How long one that is looked at may take.
    private static let glance = Duration.milliseconds(300)
    private static let pause = Duration.milliseconds(100)

    private let nodes: HashiCorpNodes
    private let transport: any HTTPTransport
    private let headers: [HTTPHeader]
    private let dependencies: HashiCorpDependencies
    private let shared: SharedWork<Bool>

    init(nodes: HashiCorpNodes, transport: any HTTPTransport, headers: [HTTPHeader], dependencies: HashiCorpDependencies) {
        self.nodes = nodes
        self.transport = transport
        self.headers = headers
        self.dependencies = dependencies
        shared = SharedWork(clock: dependencies.clock, sleep: dependencies.sleep)
    }

    /// Waits until one node says that it is the active one, which is asked first then.
    ///
    /// - Returns: false if none did in time.
    nonisolated(nonsending) func findsActive(by deadline: BootInstant) async -> Bool {
        let outcome = await shared.outcome(by: deadline) { .success(await look()) }
        return (try? outcome?.get()) ?? false
    }

    private func look() async -> Bool {
        let end = dependencies.clock.boot + HashiCorpWire.patience
        repeat {
            for origin in nodes.order where await isActive(origin) {
                nodes.prefer(origin)
                return true
            }
        } while await dependencies.pause(Self.pause * dependencies.jitter(from: 0.5), until: end)
        return false
    }

    private func isActive(_ origin: HTTPOrigin?) async -> Bool {
        let request = HTTPRequest(.get, "/v1/sys/health", headers: headers, origin: origin)
        let answer = try? await transport.send(request, deadline: dependencies.clock.boot + Self.glance)
        return answer?.status == 200
    }
}
