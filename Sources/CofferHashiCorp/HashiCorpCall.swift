internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// One request to the vault.
struct HashiCorpCall: Sendable {
    /// What it is for: how a refusal is to be understood.
    enum Purpose: Sendable {
        case read, write, login, health

        /// Nothing changes by it, so an answer that is not understood may be asked for again.
        var isRead: Bool { self == .read || self == .health }
    }

    let method: HTTPRequest.Method
    /// Behind `/v1/`.
    let path: String
    let body: Secret?
    let purpose: Purpose

    init(_ method: HTTPRequest.Method, _ path: String, _ body: JSON? = nil, for purpose: Purpose) {
        self.method = method
        self.path = path
        self.body = body?.encode()
        self.purpose = purpose
    }
}

/// What came back, whatever its status.
struct HashiCorpAnswer: Sendable {
    let status: Int
    /// nil if there was none, or what came is no JSON.
    let json: JSON?
    /// Of the header `Retry-After`; 0 = none.
    let retryAfterMilliseconds: UInt32
    /// What came had so many.
    let bytes: Int
    /// A port that expects TLS got plain http, and its server says so.
    let expectsTLS: Bool

    init(_ response: HTTPResponse) {
        status = response.status
        bytes = response.body.count
        json = response.body.count == 0 ? nil : try? JSON.parse(answer: response.body)
        expectsTLS = json == nil && response.complainsOfPlainHTTP
        retryAfterMilliseconds = response.retryAfterMilliseconds
    }

    var isSuccess: Bool { (200..<300).contains(status) }
    var data: JSON? { json?["data"] }

    /// Whether one of the vault's error texts holds `words`. They are looked at where they
    /// are, for this only, and shown to nobody: they may repeat what was sent.
    func says(_ words: String) -> Bool {
        errors.contains { $0.withBytes { $0.extracting(0..<min(4096, $0.byteCount)).contains(words) } }
    }

    /// The vault has said in words what is wrong.
    var hasErrorTexts: Bool { !errors.isEmpty }

    private var errors: [JSONString] { (json?["errors"]?.elements ?? []).prefix(16).compactMap(\.string) }

    // MARK: Nodes that have done nothing

    /// The node has not caught up with the index that was sent. OpenBao says it by
    /// a 429 without a text; for a limit of the rate it has one.
    var isLagging: Bool { status == 412 || status == 429 && json?["errors"]?.elements?.isEmpty == true }

    /// A node that is to forward the request knows no active one.
    var isLeaderless: Bool { status == 500 && says("active cluster node not found") }

    /// The node is sealed, not initialised, no longer of the cluster, or a secondary.
    /// A 503 that is not the vault's own may come from a gateway, after a write was done.
    func isOfNoUse(for purpose: HashiCorpCall.Purpose) -> Bool {
        status == 503
            ? purpose != .write || json?["errors"]?.elements != nil : [472, 474, 501, 530].contains(status)
    }

    /// An answer that only the KV engine gives for what is not there: a reverse
    /// proxy's page is none.
    var isAbsence: Bool {
        guard status == 404, let json, json.members != nil else { return false }
        return !hasErrorTexts
    }
}
