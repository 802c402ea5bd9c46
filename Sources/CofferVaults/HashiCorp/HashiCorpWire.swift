internal import CofferCore
internal import CofferHTTP
internal import Synchronization

/// One request and its answer, with what every node of the vault wants to see;
/// knows nothing of logins.
final class HashiCorpWire: Sendable {
    private static let maximumIndexBytes = 4096
    private static let fixed = [HTTPHeader("X-Vault-Request", "true"), HTTPHeader("Accept", "application/json")]
    /// How often a node is asked that has not caught up.
    private static let patience = 4

    private let vault: String
    private let transport: any HTTPTransport
    /// Of the configured address.
    private let isSecure: Bool
    private let namespace: String?
    let seams: HashiCorpSeams
    /// Of the last write, for clusters whose nodes lag.
    private let index = Mutex<String?>(nil)

    init(
        vault: String, transport: any HTTPTransport, isSecure: Bool, namespace: String?, seams: HashiCorpSeams
    ) {
        self.vault = vault
        self.transport = transport
        self.isSecure = isSecure
        self.namespace = namespace
        self.seams = seams
    }

    /// - Throws: when no answer came; every answer is returned.
    nonisolated(nonsending) func exchange(
        _ call: HashiCorpCall, token: Secret?, deadline: BootInstant
    ) async throws(Failure) -> HashiCorpAnswer {
        var pause = Duration.milliseconds(50)
        var asked = 0
        while true {
            let answer = try await follow(call, token: token, deadline: deadline)
            asked += 1
            // Both official clients repeat these: the node has done nothing.
            guard answer.status == 412, asked < Self.patience,
                await seams.pause(pause * seams.jitter(from: 0.5), until: deadline)
            else { return answer }
            pause *= 2
        }
    }

    /// Follows one redirect, to a node that the endpoint allows.
    @inline(__always)
    nonisolated(nonsending) private func follow(
        _ call: HashiCorpCall, token: Secret?, deadline: BootInstant
    ) async throws(Failure) -> HashiCorpAnswer {
        var request = request(call, token: token)
        var response = try await send(request, for: call.purpose, deadline)
        if response.status == 307 || response.status == 308 {
            request.origin = try origin(of: response)
            response = try await send(request, for: call.purpose, deadline)
        }
        if let text = response.headers["x-vault-index"], text.utf8.count <= Self.maximumIndexBytes,
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        {
            index.withLock { $0 = text }
        }
        return HashiCorpAnswer(response)
    }

    nonisolated(nonsending) private func send(
        _ request: HTTPRequest, for purpose: HashiCorpCall.Purpose, _ deadline: BootInstant
    ) async throws(Failure) -> HTTPResponse {
        guard seams.clock.boot < deadline else { throw .notBegun(vault: vault) }
        do throws(HTTPError) {
            return try await transport.send(request, deadline: deadline)
        } catch {
            let failure = error.failure(vault: vault)
            throw purpose == .write ? failure : failure.ofRead
        }
    }

    private func request(_ call: HashiCorpCall, token: Secret?) -> HTTPRequest {
        var headers = Self.fixed
        if let token { headers.append(HTTPHeader("X-Vault-Token", token)) }
        // Health is known in the root namespace only.
        if let namespace, call.purpose != .health { headers.append(HTTPHeader("X-Vault-Namespace", namespace)) }
        if let index = index.withLock({ $0 }) { headers.append(HTTPHeader("X-Vault-Index", index)) }
        if call.body != nil { headers.append(HTTPHeader("Content-Type", "application/json")) }
        return HTTPRequest(call.method, "/v1/" + call.path, headers: headers, body: call.body)
    }

    private func origin(of response: HTTPResponse) throws(Failure) -> HTTPOrigin {
        guard let origin = response.headers["location"].flatMap(Self.origin), origin.isSecure == isSecure else {
            throw .hashiCorpDown("the vault names an active node that cannot be used; see its api_addr", vault)
        }
        return origin
    }

    /// Where an absolute URL leads; nil for any other text.
    static func origin(ofURL url: String) -> HTTPOrigin? {
        guard url.utf8.count <= 4096 else { return nil }
        let isSecure = url.hasPrefix("https://")
        guard isSecure || url.hasPrefix("http://") else { return nil }
        let authority = url.dropFirst(isSecure ? 8 : 7).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        var (host, port): (Substring, Substring?) = (authority, nil)
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let rest = authority[authority.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            port = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            port = authority[authority.index(after: colon)...]
        }
        let number = port.map { UInt16($0) } ?? (isSecure ? 443 : 80)
        let allowed = host.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "@") }
        guard let number, number > 0, !host.isEmpty, allowed else { return nil }
        return HTTPOrigin(isSecure: isSecure, host: host.lowercased(), port: number)
    }
}
