internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit
internal import Synchronization

/// One request and its answer, from whichever node of the vault can give it, with
/// what every node wants to see; knows nothing of logins.
final class HashiCorpWire: Sendable {
    private static let maximumIndexBytes = 4096
    private static let fixed = [HTTPHeader("X-Vault-Request", "true"), HTTPHeader("Accept", "application/json")]
    /// For how long a request is repeated to nodes that have done nothing with it,
    /// because they lag or wait for an active node.
    static let patience = Duration.seconds(4)
    private static let longestPause = Duration.milliseconds(250)
    /// An index that no node has reached by then belongs to a cluster that is no more.
    private static let indexAge = Duration.seconds(60)

    private let vault: String
    private let transport: any HTTPTransport
    /// Of the configured address.
    private let isSecure: Bool
    private let namespace: String?
    private let nodes: HashiCorpNodes
    private let search: HashiCorpSearch
    let dependencies: HashiCorpDependencies
    /// Of the last answer, for clusters whose nodes lag, and since when it is known.
    private let index = Mutex<(text: String, since: BootInstant)?>(nil)
    /// Of the kinds of calls, those that went through before: a bit for each.
    private let served = Atomic<UInt8>(0)

    init(
        vault: String, transport: any HTTPTransport, isSecure: Bool, nodes: [HTTPOrigin], namespace: String?,
        dependencies: HashiCorpDependencies
    ) {
        self.vault = vault
        self.transport = transport
        self.isSecure = isSecure
        self.namespace = namespace
        self.dependencies = dependencies
        self.nodes = HashiCorpNodes(nodes)
        search = HashiCorpSearch(nodes: self.nodes, transport: transport, headers: Self.fixed, dependencies: dependencies)
    }

    /// What became of a request at one node, or at all of them.
    private enum Outcome {
        case answered(HashiCorpAnswer)
        /// Nothing was done, and another node may do it.
        ///
        /// - passes: soon over: the node lags, or the cluster chooses its active node.
        case elsewhere(Result<HashiCorpAnswer, Failure>, passes: Bool)
        case failed(Failure)
    }

    /// - Throws: when no answer came; every answer is returned.
    nonisolated(nonsending) func exchange(
        _ call: HashiCorpCall, token: Secret?, deadline: BootInstant
    ) async throws(Failure) -> HashiCorpAnswer {
        let end = min(deadline, dependencies.clock.boot + Self.patience)
        var pause = Duration.milliseconds(25)
        while true {
            switch await askAll(call, token: token, deadline: deadline) {
            case .answered(let answer): return answer
            case .failed(let failure): throw failure
            case .elsewhere(let last, passes: false): return try last.get()
            case .elsewhere(let last, passes: true):
                if await isWorthAnother(after: pause, until: end) {
                    pause = min(pause * 2, Self.longestPause)
                    continue
                }
                forgetIndex()
                // Time that ran out, and a caller that left, say nothing about the vault.
                if Task.isCancelled { throw .hashiCorpCancelled(vault) }
                if deadline <= end { throw .hashiCorpNotReady(vault) }
                return try last.get()
            }
        }
    }

    /// Waits until it makes sense to ask again; false if that is not before `end`.
    @inline(__always)
    nonisolated(nonsending) private func isWorthAnother(after pause: Duration, until end: BootInstant) async -> Bool {
        guard await dependencies.pause(pause * dependencies.jitter(from: 0.5), until: end) else { return false }
        return nodes.isCluster ? await search.findsActive(by: end) : true
    }

    /// Asks one node after another, each at most once.
    @inline(__always)
    nonisolated(nonsending) private func askAll(
        _ call: HashiCorpCall, token: Secret?, deadline: BootInstant
    ) async -> Outcome {
        let order = nodes.order
        var worst: Outcome?
        for (number, origin) in order.enumerated() {
            let isLast = number == order.count - 1
            let outcome = await ask(origin, call, token: token, deadline: deadline, isLast: isLast)
            switch outcome {
            case .answered, .failed: return outcome
            case .elsewhere(_, let passes):
                nodes.leave(origin, silentAt: nil)
                if worst == nil || passes { worst = outcome }
            }
        }
        return worst ?? .failed(.notBegun(vault: vault))
    }

    /// Asks one node, and the one that it names if it names one.
    @inline(__always)
    nonisolated(nonsending) private func ask(
        _ origin: HTTPOrigin?, _ call: HashiCorpCall, token: Secret?, deadline: BootInstant, isLast: Bool
    ) async -> Outcome {
        var request = request(call, token: token)
        request.origin = origin
        var response: HTTPResponse
        switch await send(request, deadline, mayLeave: !isLast, isRead: call.purpose.isRead) {
        case .success(let first): response = first
        case .failure(let error): return outcome(of: error, at: origin, call, deadline)
        }
        if response.status == 307 || response.status == 308 {
            guard let target = redirection(of: response) else {
                return .elsewhere(.failure(.hashiCorpDown(Self.unusableTarget, vault)), passes: hasServed(call))
            }
            request.origin = target
            let isSuspect = nodes.isSuspect(target, now: dependencies.clock.boot)
            let second = isSuspect ? nil : await send(request, deadline, mayLeave: true, isRead: call.purpose.isRead)
            switch second {
            case .success(let answer)?:
                response = answer
            case .failure(let error)?:
                if case .forbidden = error.cause {
                    return .elsewhere(.failure(.hashiCorpDown(Self.unnamedTarget, vault)), passes: hasServed(call))
                }
                guard case .elsewhere(let last, _) = outcome(of: error, at: target, call, deadline) else {
                    return outcome(of: error, at: target, call, deadline)
                }
                // A standby names the last active node until there is another.
                return .elsewhere(last, passes: true)
            case nil: return .elsewhere(.failure(.hashiCorpDown(Self.deadTarget, vault)), passes: true)
            }
        }
        note(response)
        let answer = await LargeAnswer.look(at: response.body.count) { [response] in HashiCorpAnswer(response) }
        if call.purpose != .health, answer.isLagging || answer.isLeaderless {
            return .elsewhere(.success(answer), passes: true)
        }
        if answer.isOfNoUse(for: call.purpose) { return .elsewhere(.success(answer), passes: false) }
        if nodes.isCluster { nodes.prefer(request.origin) }
        if !hasServed(call) { served.bitwiseOr(Self.bit(of: call), ordering: .relaxed) }
        return .answered(answer)
    }

    /// Whether calls of this kind went through before. A standby that forwards calls names the active node only while
    /// that one is gone, and until another is chosen; where none ever went through, `nodes` or `api_addr` is at fault.
    private func hasServed(_ call: HashiCorpCall) -> Bool { served.load(ordering: .relaxed) & Self.bit(of: call) != 0 }

    /// None for Health, which every node answers itself.
    private static func bit(of call: HashiCorpCall) -> UInt8 {
        switch call.purpose {
        case .health: 0
        case .read: 1
        case .login, .write: 2
        }
    }

    private static let unusableTarget = "the vault names an active node that cannot be used; see its api_addr"
    private static let unnamedTarget =
        "the vault names an active node that is not among its configured nodes; add that node's address to nodes"
    private static let deadTarget = "the vault names an active node that does not answer; another is being chosen"

    /// What no answer means for the node and for the others.
    private func outcome(
        of error: HTTPError, at origin: HTTPOrigin?, _ call: HashiCorpCall, _ deadline: BootInstant
    ) -> Outcome {
        let failure = call.purpose == .write ? error.failure(vault: vault) : error.failure(vault: vault).ofRead
        switch error.cause {
        case .cancelled, .closed, .forbidden, .tooLarge: return .failed(failure)
        case .untrusted, .unknownAuthority, .wrongName, .outdated, .plaintext, .malformed:
            nodes.leave(origin, silentAt: nil)
            return .failed(failure)
        case .deadline, .idle, .unresolved, .refused, .interrupted:
            nodes.leave(origin, silentAt: dependencies.clock.boot)
            // What may have been done is not done again.
            guard error.isUnsent || call.purpose.isRead, dependencies.clock.boot < deadline else { return .failed(failure) }
            return .elsewhere(.failure(failure), passes: false)
        }
    }

    private func note(_ response: HTTPResponse) {
        guard let text = response.headers["x-vault-index"], text.utf8.count <= Self.maximumIndexBytes,
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return }
        let now = dependencies.clock.boot
        index.withLock { if $0?.text != text { $0 = (text, now) } }
    }

    private func forgetIndex() {
        let now = dependencies.clock.boot
        index.withLock { index in
            if let since = index?.since, now >= since + Self.indexAge { index = nil }
        }
    }

    /// - Parameter mayLeave: another node can be asked instead: a read, and a
    ///   connection that is not there yet, wait for this one only for a while.
    nonisolated(nonsending) private func send(
        _ request: HTTPRequest, _ deadline: BootInstant, mayLeave: Bool, isRead: Bool
    ) async -> Result<HTTPResponse, HTTPError> {
        let now = dependencies.clock.boot
        guard now < deadline else { return .failure(HTTPError(.deadline, isUnsent: true)) }
        let isImpatient = mayLeave && isRead && nodes.isCluster
        let half = Duration.nanoseconds(Int64(clamping: (deadline.nanoseconds - now.nanoseconds) / 2))
        let limit = isImpatient ? now + min(HashiCorpSearch.silence, half) : deadline
        do throws(HTTPError) {
            return .success(try await transport.send(request, deadline: limit))
        } catch {
            return .failure(error)
        }
    }

    private func request(_ call: HashiCorpCall, token: Secret?) -> HTTPRequest {
        var headers = Self.fixed
        if let token { headers.append(HTTPHeader("X-Vault-Token", token)) }
        // Health is known in the root namespace only.
        if let namespace, call.purpose != .health { headers.append(HTTPHeader("X-Vault-Namespace", namespace)) }
        if let index = index.withLock({ $0?.text }) { headers.append(HTTPHeader("X-Vault-Index", index)) }
        if call.body != nil { headers.append(HTTPHeader("Content-Type", "application/json")) }
        return HTTPRequest(call.method, "/v1/" + call.path, headers: headers, body: call.body)
    }

    /// Where a redirect leads, if it may be followed as far as its form tells.
    private func redirection(of response: HTTPResponse) -> HTTPOrigin? {
        response.headers["location"].flatMap(HTTPURL.init).flatMap { $0.origin.isSecure == isSecure ? $0.origin : nil }
    }
}
