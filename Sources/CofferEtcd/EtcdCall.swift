internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// One request to etcd's JSON gateway.
struct EtcdCall: Sendable {
    /// What it changes: how a failure is to be understood, and whether another member may be asked.
    enum Purpose: Sendable {
        /// Nothing, so it may be repeated.
        case read
        /// Nothing that a record depends on, and repeating it leaves the same: a login, a lease with an id of ours.
        case preparation
        /// Records. It compares the revision of what it changes, which no record ever has again: of several copies etcd
        /// applies one at most, however late they come.
        case repeatableWrite
        /// Records, and a copy that comes late may do harm: a creation makes a record again that was removed since.
        case singleWrite

        var isWrite: Bool { self == .repeatableWrite || self == .singleWrite }
        var isRepeatable: Bool { self != .singleWrite }
    }

    /// Behind `/v3/`.
    let path: String
    let body: Secret
    let purpose: Purpose

    init(_ path: String, _ body: [(name: String, value: JSON)], for purpose: Purpose) {
        self.path = path
        self.body = JSON.object(body).encode()
        self.purpose = purpose
    }

    func request(token: Secret?) -> HTTPRequest {
        var headers = [HTTPHeader("Accept", "application/json"), HTTPHeader("Content-Type", "application/json")]
        // Bare: etcd takes "Bearer " for a part of the token.
        if let token { headers.append(HTTPHeader("Authorization", token)) }
        return HTTPRequest(.post, "/v3/" + path, headers: headers, body: body)
    }
}

/// What came back, whatever its status.
struct EtcdAnswer: Sendable {
    let status: Int
    /// nil if there was none, or what came is no JSON.
    let json: JSON?
    /// What came had so many.
    let bytes: Int
    /// nil = it did what it was asked for.
    let fault: EtcdFault?
    /// Milliseconds that the sender, such as a proxy, wants to be left alone; 0 = it does not say.
    let retryAfter: UInt32

    init(_ response: HTTPResponse) {
        status = response.status
        retryAfter = response.retryAfterMilliseconds
        bytes = response.body.count
        json = response.body.count == 0 ? nil : try? JSON.parse(answer: response.body)
        fault =
            if json == nil, response.complainsOfPlainHTTP {
                .plainHTTP
            } else {
                EtcdFault(status: status, json)
            }
    }

    /// An answer in place of one that is larger than is read.
    static let tooLarge = EtcdAnswer(status: 200, json: nil, fault: .answerTooLarge)

    private init(status: Int, json: JSON?, fault: EtcdFault?) {
        self.status = status
        self.json = json
        self.fault = fault
        bytes = 0
        retryAfter = 0
    }

    /// What its fault is to the caller.
    ///
    /// - Parameter isWrite: the call changes records.
    func failure(_ fault: EtcdFault, vault: String, isWrite: Bool) -> Failure {
        var failure = fault.failure(vault: vault, isWrite: isWrite)
        failure.retryAfterMilliseconds = max(failure.retryAfterMilliseconds, retryAfter)
        return failure
    }

    /// Of the store, when this was answered.
    var revision: Int64? { json?["header"]?["revision"]?.revision }
}

/// An answer, and what is not known of attempts before it.
struct EtcdReply: Sendable {
    let answer: EtcdAnswer
    /// How an earlier attempt failed that may have done the same; nil = there was none.
    var doubt: Failure?
}
