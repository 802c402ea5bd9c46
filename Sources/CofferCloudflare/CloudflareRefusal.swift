internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// What the API refused, by the code in its envelope first and by the status second. Its texts are looked
/// at, where one code has several meanings, and never passed on.
struct CloudflareRefusal: Sendable {
    enum Kind: Hashable, Sendable {
        /// Of Workers KV.
        case keyNotFound, namespaceNotFound, badCursor, unsuited
        /// Of the Secrets Store.
        case secretNotFound, storeNotFound, nameExists, quota
        /// The URL names an account, a namespace or a store that is none.
        case badRoute
        case noSuchCall
        case unauthenticated, denied
        case throttled, tooLarge, badParameter
        case unavailable
        /// A port that expects TLS got plain http.
        case plainHTTP
        /// Nothing that Cloudflare says, or that says more than the status.
        case status
    }

    let kind: Kind
    let status: Int
    /// Milliseconds; 0 = no advice.
    let retryAfter: UInt32
    /// Of a call that may have changed something.
    let isOfWrite: Bool

    /// - Parameter envelope: the body, if it is JSON.
    init(_ response: HTTPResponse, _ envelope: JSON?, _ product: CloudflareProduct, isOfWrite: Bool) {
        self.isOfWrite = isOfWrite
        let status = response.status
        let known = (envelope?["errors"]?.elements ?? []).lazy.compactMap { error -> Kind? in
            guard let code = error["code"]?.integer else { return nil }
            return Self.kind(code, error["message"]?.text ?? "", status, product)
        }.first
        let unknown: Kind = response.complainsOfPlainHTTP ? .plainHTTP : .status
        kind = known ?? (envelope?["errors"] == nil ? unknown : Self.kind(ofStatus: status))
        self.status = status
        retryAfter = response.retryAfterMilliseconds
    }

    private static func kind(ofStatus status: Int) -> Kind {
        switch status {
        case 401: .unauthenticated
        case 403: .denied
        case 413: .tooLarge
        case 429: .throttled
        case 400, 414, 422: .badParameter
        default: .status
        }
    }

    /// Nil for a code that is not known.
    private static func kind(_ code: Int64, _ message: String, _ status: Int, _ product: CloudflareProduct) -> Kind? {
        switch code {
        case 971: return .throttled
        case 6003, 6111, 9109: return .unauthenticated
        case 7000, 7003: return .badRoute
        // Wrong tokens and tokens without the permission have the same code.
        case 10000: return status == 401 ? .unauthenticated : .denied
        case 10405: return .noSuchCall
        default: break
        }
        switch product {
        case .workersKV: return kindOfKV(code, status)
        case .secretsStore: return kindOfSecrets(code, message.lowercased(), status)
        }
    }

    private static func kindOfKV(_ code: Int64, _ status: Int) -> Kind? {
        switch code {
        case 10009: .keyNotFound
        case 10013: .namespaceNotFound
        case 10011: .badRoute
        case 10041: .badCursor
        case 10001: status == 401 ? .unauthenticated : status == 403 ? .denied : .unavailable
        case 10022, 10046: .throttled
        case 10024: .tooLarge
        case 10026, 10037: .denied
        case 10021, 10035, 10038: .unsuited
        case 10025, 10045: .noSuchCall
        case 10007, 10008, 10010, 10012, 10028, 10029, 10030, 10033, 10034, 10042, 10047: .badParameter
        default: nil
        }
    }

    /// One number has several meanings here.
    private static func kindOfSecrets(_ code: Int64, _ message: String, _ status: Int) -> Kind? {
        switch code {
        case 1000: status == 401 ? .unauthenticated : .secretNotFound
        case 1001 where message.contains("secret_not_found"): .secretNotFound
        case 1001 where message.contains("store_not_found"): .storeNotFound
        case 1001: status == 404 ? .storeNotFound : .badParameter
        case 1003 where message.contains("already_exists"): .nameExists
        case 1003 where message.contains("exceeded"): .quota
        default: nil
        }
    }
}
