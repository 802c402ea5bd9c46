internal import CofferCore
internal import CofferVaultKit

/// What is wrong with an answer of etcd's. The gRPC code in its body counts and not the HTTP status, which
/// versions choose differently; where one code has several meanings, etcd's words do.
enum EtcdFault: Equatable, Sendable {
    // MARK: Of the way to it
    /// Nothing that etcd's gateway answers; the HTTP status.
    case foreign(status: Int)
    /// The port expects TLS.
    case plainHTTP
    case answerTooLarge

    // MARK: Of the request
    case badRequest, requestTooLarge
    /// More in one transaction than `--max-txn-ops` allows, which is 128 unless somebody has changed it.
    case tooManyOperations
    /// No lease has this id; a lease has it already.
    case noSuchLease, leaseTaken
    case compacted

    // MARK: Of who asks
    /// The call had no token, and authentication is switched on.
    case noToken
    /// The token is unknown, expired, or older than the last change of users and roles.
    case badToken
    case loginRefused
    /// A login, and authentication is switched off.
    case authenticationIsOff
    case denied

    // MARK: Of the cluster
    case outOfSpace, tooManyRequests
    /// This member did nothing: it knows no leader, or cannot serve this kind of call.
    case notServing
    /// This member did nothing, and never will: it is a learner, or of a version that lacks what was asked for.
    case notCapable
    /// It may have done it: it ran out of time, lost its leader, or stops.
    case unavailable, timeout
    case internalError, corrupt

    /// nil = the answer is a success.
    init?(status: Int, _ json: JSON?) {
        guard let json, json.members != nil else {
            self = .foreign(status: status)
            return
        }
        if status == 200, json["code"] == nil, json["error"] == nil {
            guard json["header"]?.members == nil else { return nil }
            self = .foreign(status: status)
            return
        }
        guard let code = json["code"]?.integer else {
            self = .foreign(status: status)
            return
        }
        self.init(code: code, words: [json["error"], json["message"]].compactMap { $0?.string })
    }

    /// - Parameters:
    ///   - code: of gRPC.
    ///   - words: etcd's, which are looked at where they are, and shown to nobody.
    init(code: Int64, words: [JSONString]) {
        func says(_ text: String) -> Bool {
            words.contains { $0.withBytes { $0.extracting(0..<min(4_096, $0.byteCount)).contains(text) } }
        }
        self =
            switch code {
            case 3: Self.invalidArgument(says)
            case 4: .timeout
            case 5: .noSuchLease
            case 7: .denied
            case 8: Self.exhausted(says)
            case 9 where says("lease already exists"): .leaseTaken
            case 9 where says("authentication is not enabled"): .authenticationIsOff
            case 9 where says("not capable") || says("not supported for learner"): .notCapable
            case 9: .notServing
            case 11: .compacted
            case 14: Self.unavailable(says)
            case 15: .corrupt
            case 16: .badToken
            // What etcd gives no code of its own comes as 2.
            case 2 where says("raft proposal dropped"): .notServing
            case 2 where says("context deadline exceeded"): .timeout
            default: .internalError
            }
    }

    private static func invalidArgument(_ says: (String) -> Bool) -> EtcdFault {
        if says("user name is empty") { return .noToken }
        if says("authentication failed") { return .loginRefused }
        if says("revision of auth store is old") { return .badToken }
        if says("request is too large") { return .requestTooLarge }
        if says("too many operations") { return .tooManyOperations }
        return .badRequest
    }

    private static func exhausted(_ says: (String) -> Bool) -> EtcdFault {
        if says("database space exceeded") { return .outOfSpace }
        if says("larger than max") { return .requestTooLarge }
        return .tooManyRequests
    }

    private static func unavailable(_ says: (String) -> Bool) -> EtcdFault {
        if says("not capable") || says("not supported for learner") { return .notCapable }
        // "leader changed" is said of reads only.
        if says("no leader") || says("leader changed") { return .notServing }
        return says("timed out") ? .timeout : .unavailable
    }

    /// Another member may serve the call, or this one in a moment.
    var isOfMember: Bool {
        switch self {
        case .notServing, .notCapable, .unavailable, .timeout, .corrupt: true
        // What a gateway before the member says.
        case .foreign(let status): status == 502 || status == 503 || status == 504
        default: false
        }
    }

    /// It may have done what it was asked for.
    var leavesDoubt: Bool {
        switch self {
        case .unavailable, .timeout, .internalError, .corrupt, .answerTooLarge: true
        // A proxy that refuses has passed nothing on.
        case .foreign(let status): !(400..<500).contains(status) || status == 408
        default: false
        }
    }
}
