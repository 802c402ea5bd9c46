internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// What goes wrong with Fly's API and with the files of what was written. Texts of the service are not passed on.
extension Failure {
    /// For messages.
    static let flyTitle = "Fly.io"

    /// Whether a refusal is in the API's own form, and not a page of something in between.
    static func isOfFly(_ body: JSON?) -> Bool { body?["error"] != nil || body?["message"] != nil }

    /// A refusal by the API.
    ///
    /// - Parameter body: of the answer, if it is JSON.
    static func fly(_ response: HTTPResponse, _ body: JSON?, vault: String, app: String, writing: Bool) -> Failure {
        let status = response.status
        if response.complainsOfPlainHTTP {
            return Failure(
                .failedPrecondition, .vaultRefused,
                "\(flyTitle): the port of api_url expects TLS and got plain http; write https://", vault: vault, isUnsent: true)
        }
        switch status {
        case 404 where isOfFly(body):
            return Failure(
                .failedPrecondition, .vaultRefused,
                "\(flyTitle): the app \(app) does not exist for this API token; check app and FLY_APP_NAME, and of which app or organization the token is",
                vault: vault)
        case 409, 412:
            return Failure(
                .aborted, .vaultRefused, "\(flyTitle): somebody else changes the app's secrets or Machines now; try again",
                vault: vault, retryable: true)
        default: break
        }
        let (fault, text) = words(status)
        return fault.failure(
            "\(flyTitle): \(text)", vault: vault, writing: writing, retryAfterMilliseconds: response.retryAfterMilliseconds
        ).whileReadingGoesOn
    }

    private static func words(_ status: Int) -> (HTTPFault, String) {
        switch status {
        case 401: (.unauthenticated, "the API token is not accepted; check that it is whole and has not expired, or create another one")
        case 403: (.denied, "access was denied; check that the API token is for this app, and may set its secrets")
        case 408: (.timeout, "the API waited in vain; try again")
        case 413: (.tooLarge, "the secret is too large; store a smaller credential")
        case 400, 414, 422: (.badRequest, "the API refused the name or the value of the secret; check the size of ids and credential")
        case 429: (.throttled, "too many requests; Fly.io allows one a second, and three at once for a short time")
        // Nowhere does Fly.io say that such a call was not carried out.
        case 500...599: (.unclear, "the API reported an internal error (\(status)); try again")
        default: (.unclear, "the answer of status \(status) is not the API's; check api_url, and whether a proxy answers in its place")
        }
    }

    /// The API does not know the version of the secrets that it has acknowledged a write by: it lags, or the app is another one.
    static func flyBehind(_ version: UInt64, app: String, folder: String, vault: String) -> Failure {
        Failure(
            .aborted, .vaultRefused,
            "\(flyTitle): the app \(app) does not know version \(version) of its secrets, which this vault has; try again. If the "
                + "app was destroyed and made again, stop cofferd, remove \(folder), start cofferd, and store its records again",
            vault: vault, retryable: true
        ).whileReadingGoesOn
    }

    /// A success whose body is not what the API promises.
    static func flyGarbled(vault: String, writing: Bool) -> Failure {
        Failure(
            writing ? .internal : .unavailable, .vaultFailed,
            "\(flyTitle): the answer is not what the API gives; check api_url, and whether a proxy answers in its place",
            vault: vault, retryable: true, mayHaveWritten: writing)
    }

    /// Says of a failure of the API what does not need it.
    var whileReadingGoesOn: Failure {
        switch reason {
        case .vaultRefused, .vaultFailed, .vaultUnreachable: adding(" (reading needs no API, and goes on)")
        default: self
        }
    }

    /// A limit was met before anything was sent.
    static func flyLimit(_ text: String, vault: String) -> Failure {
        Failure(.invalidArgument, .credentialTooLarge, text, vault: vault, isUnsent: true)
    }

    /// Nothing is written, for want of `what`.
    static func flyReadOnly(_ what: String, vault: String) -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "the vault \(vault) only reads: \(what)", vault: vault, isUnsent: true)
    }

    /// The disk does not keep what is to be written.
    ///
    /// - Parameter isOfHost: the disk is full or broken.
    static func flyDisk(_ description: String, isOfHost: Bool, vault: String) -> Failure {
        Failure(
            isOfHost ? .resourceExhausted : .unavailable, .disk,
            "\(description); what is written must survive a restart: free room on the disk of the data folder, or correct its rights",
            vault: vault, retryable: true, retryAfterMilliseconds: 1_000)
    }

    /// The file of a record does not open.
    static func flyDamaged(_ path: String, vault: String) -> Failure {
        Failure(
            .dataLoss, .unreadableRecord,
            "\(path) does not open: it is damaged, or was sealed under another key or for another app; store the record again, "
                + "or deploy the app's secrets, remove the file and restart cofferd",
            vault: vault)
    }
}
