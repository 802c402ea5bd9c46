internal import CofferCore

/// How to use AWS Secrets Manager. What is nil is looked for where AWS's own
/// programs look: in the environment, then in the profile.
package struct AWSOptions: Sendable {
    /// What Delete does.
    package enum Deletion: Hashable, Sendable {
        /// Deletes for good, at once.
        case forced
        /// Schedules it; until then it can be restored. 7 to 30 days.
        case recoverable(days: Int)
    }

    /// "eu-central-1", …
    package var region: String?
    /// Used when neither the options nor the environment nor the profile names one; nil =
    /// that is an error.
    package var fallbackRegion: String?
    /// Another server than the region's, as `https://host[:port]`.
    package var endpoint: String?
    /// Another token service than the region's.
    package var tokenEndpoint: String?
    /// Hosts with validated cryptography; nil = by AWS_USE_FIPS_ENDPOINT.
    package var fips: Bool?
    /// Hosts that speak IPv6 as well; nil = by AWS_USE_DUALSTACK_ENDPOINT.
    package var dualStack: Bool?
    /// The first part of every name.
    package var prefix: String
    package var deletion: Deletion
    /// The KMS key of secrets that are created; nil = the account's own.
    package var keyID: String?
    /// A profile by name: the environment's keys are passed over then.
    package var profile: String?
    /// Records have the names that a program gives them which does not escape ids,
    /// where those can be no other record's.
    package var literalNames: Bool

    package init(
        region: String? = nil, endpoint: String? = nil, tokenEndpoint: String? = nil, fips: Bool? = nil,
        dualStack: Bool? = nil, prefix: String = "ai2-connectors", deletion: Deletion = .forced,
        keyID: String? = nil, profile: String? = nil, literalNames: Bool = false
    ) {
        self.region = region
        self.endpoint = endpoint
        self.tokenEndpoint = tokenEndpoint
        self.fips = fips
        self.dualStack = dualStack
        self.prefix = prefix
        self.deletion = deletion
        self.keyID = keyID
        self.profile = profile
        self.literalNames = literalNames
    }

    /// What is wrong with a prefix of names; nil = nothing.
    package static func mistake(inPrefix prefix: String) -> String? {
        do throws(Failure) {
            _ = try AWSNames(prefix: prefix, vault: "")
            return nil
        } catch {
            return String(error.message.trimmingPrefix("prefix: "))
        }
    }

    /// - Throws: INVALID_ARGUMENT that says what is allowed.
    func check(vault: String) throws(Failure) {
        func refuse(_ text: String) -> Failure { Failure(.invalidArgument, .badField, text, vault: vault) }
        if case .recoverable(let days) = deletion, !(7...30).contains(days) {
            throw refuse("recovery window: expected 7 to 30 days, got \(days)")
        }
        if let keyID, !(1...2048).contains(keyID.utf8.count) {
            throw refuse("KMS key id: expected 1 to 2048 bytes, got \(keyID.utf8.count)")
        }
    }
}
