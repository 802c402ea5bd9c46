internal import CofferCore
internal import CofferHTTP
internal import CofferVault
internal import CofferVaultKit

/// Which of Cloudflare's products is asked: some numbers of errors mean something else in each.
enum CloudflareProduct: Sendable {
    case workersKV, secretsStore

    /// For messages.
    var title: String {
        switch self {
        case .workersKV: "Cloudflare Workers KV"
        case .secretsStore: "Cloudflare Secrets Store"
        }
    }
}

/// Why a call of the API gave nothing.
enum CloudflareFault: Error {
    /// The API answered, and said no.
    case refused(CloudflareRefusal)
    /// The answer is larger than the daemon takes.
    case tooLarge(Failure)
    /// It was not asked, or did not answer.
    case failed(Failure)
}

/// One request of the API.
struct CloudflareCall: Sendable {
    let method: HTTPRequest.Method
    /// Below the API's root: percent-encoded, beginning with "/".
    let path: String
    var query: [(name: String, value: String)] = []
    var contentType: String?
    var body: Secret?
    /// It may change something.
    var isWriting = false

    init(_ method: HTTPRequest.Method, _ path: String, query: [(name: String, value: String)] = []) {
        (self.method, self.path, self.query) = (method, path, query)
    }

    /// With a body of JSON.
    init(_ method: HTTPRequest.Method, _ path: String, json: JSON, isWriting: Bool) {
        (self.method, self.path, self.isWriting) = (method, path, isWriting)
        contentType = "application/json"
        body = json.encode()
    }

    fileprivate var target: String {
        guard !query.isEmpty else { return path }
        return path + "?"
            + query.map { "\($0.name)=\(PercentEncoding.text($0.value))" }.joined(separator: "&")
    }
}

/// What the API gives on success.
struct CloudflareAnswer: Sendable {
    let result: JSON
    let information: JSON?
    /// The size of the whole answer.
    let bytes: Int
}

/// Calls of Cloudflare's API with an API token, answered in its envelope
/// `{"success":…,"errors":[…],"result":…,"result_info":{…}}`.
struct CloudflareClient: Sendable {
    /// Of a whole answer. A bulk read of large records exceeds it, and is divided then.
    static let maximumAnswerBytes = 8 << 20
    /// How deep a record stands in an answer: envelope, result, values, entry.
    private static let recordDepth = 4

    let transport: any HTTPTransport
    /// The path before every call's, without a slash at its end: "/client/v4".
    let root: String
    let token: CloudflareToken
    let product: CloudflareProduct
    let vault: String

    func call(_ call: CloudflareCall, deadline: BootInstant) async throws(CloudflareFault) -> CloudflareAnswer {
        let response = try await send(call, deadline)
        let json = await LargeAnswer.look(at: response.body.count) {
            try? JSON.parse(answer: response.body, recordAt: Self.recordDepth)
        }
        guard (200...299).contains(response.status), let json, json["success"]?.bool == true else {
            // A success without an envelope is the page of somebody in between.
            if (200...299).contains(response.status), json?["success"]?.bool == nil {
                throw .failed(.cloudflareGarbled(product, vault: vault, writing: call.isWriting))
            }
            throw .refused(CloudflareRefusal(response, json, product, isOfWrite: call.isWriting))
        }
        return CloudflareAnswer(
            result: json["result"] ?? .null, information: json["result_info"], bytes: response.body.count)
    }

    /// What a fault means to the caller of the vault.
    func failure(_ fault: CloudflareFault) -> Failure {
        switch fault {
        case .refused(let refusal): .cloudflare(refusal, product, vault: vault)
        case .tooLarge(let failure), .failed(let failure): failure
        }
    }

    private func send(_ call: CloudflareCall, _ deadline: BootInstant) async throws(CloudflareFault) -> HTTPResponse {
        var headers = [HTTPHeader("Authorization", token.authorization), HTTPHeader("Accept", "application/json")]
        if let contentType = call.contentType { headers.append(HTTPHeader("Content-Type", contentType)) }
        do throws(HTTPError) {
            return try await transport.send(
                HTTPRequest(call.method, root + call.target, headers: headers, body: call.body), deadline: deadline)
        } catch {
            let failure = error.failure(vault: vault, of: product.title, at: "api_url")
            let told = call.isWriting ? failure : failure.ofRead
            if case .tooLarge = error.cause { throw .tooLarge(told) }
            throw .failed(told)
        }
    }
}
