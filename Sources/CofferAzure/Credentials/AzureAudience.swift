internal import CofferCore
internal import CofferHTTP
internal import Synchronization

/// Whom tokens are for, and of which tenant: as configured, by the vault's host, or as its server says.
final class AzureAudience: Sendable {
    private struct Learnt {
        var resource: HTTPOrigin?
        var tenant: String?
        /// For the next token.
        var claims: String?
        /// What the last token that was given was asked for with.
        var lastClaims: String?
    }

    /// Of the clouds that there are: see "About keys, secrets, and certificates" in Microsoft's manual.
    private static let clouds = ["vault.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net"]

    private let server: HTTPOrigin
    private let configured: HTTPOrigin?
    /// By the vault's host.
    private let cloud: HTTPOrigin?
    private let tenant: String?
    private let vault: String
    private let learnt = Mutex(Learnt())

    init(_ options: AzureOptions, vault: String) {
        server = options.origin
        configured = options.resource
        tenant = options.tenant
        self.vault = vault
        cloud = Self.clouds.lazy.map { HTTPOrigin(isSecure: true, host: $0, port: 443) }
            .first { AzureChallenge.isPart(options.origin, of: $0) }
    }

    /// "https://vault.azure.net"; nil = the server has to say it.
    var resource: String? {
        (configured ?? cloud ?? learnt.withLock { $0.resource }).map { "https://" + $0.authority }
    }

    /// Where applications log in; nil = it is not configured, and the server has not said it.
    var tenantName: String? { tenant ?? learnt.withLock { $0.tenant } }

    /// The server has to be asked before a token can be.
    ///
    /// - Parameter needsTenant: it is an application that logs in.
    func isUnknown(needsTenant: Bool) -> Bool { resource == nil || (needsTenant && tenantName == nil) }

    /// - Returns: whether the server wants claims that no token was asked for with just now.
    /// - Throws: FAILED_PRECONDITION for a server that asks for what it is no part of.
    func learn(_ challenge: AzureChallenge) throws(Failure) -> Bool {
        if configured == nil, let resource = challenge.resource, !AzureChallenge.isPart(server, of: resource) {
            throw .azureStranger(vault: vault)
        }
        return learnt.withLock { learnt in
            // One that wants claims is for persons too, and names "common" as the tenant.
            let isPlain = challenge.claims == nil
            if let resource = challenge.resource, isPlain || learnt.resource == nil { learnt.resource = resource }
            if let tenant = challenge.tenant, isPlain || learnt.tenant == nil { learnt.tenant = tenant }
            guard let claims = challenge.claims else { return false }
            learnt.claims = claims
            return claims != learnt.lastClaims
        }
    }

    /// What the server said is asked for again before the next login: it may be why this one was refused.
    func forget() { learnt.withLock { ($0.resource, $0.tenant, $0.claims) = (nil, nil, nil) } }

    /// What the server calls itself in its answers: the name that it is reached by, or its own at Azure where it is reached by
    /// another.
    func isServer(_ origin: HTTPOrigin) -> Bool {
        origin == server || (configured.map { AzureChallenge.isPart(origin, of: $0) } ?? false)
    }

    /// What the next token is to be asked for with.
    var claims: String? { learnt.withLock { $0.claims } }

    /// A token was given for these claims: they are asked for once.
    func noteToken(with claims: String?) {
        guard let claims else { return }
        learnt.withLock { learnt in
            learnt.lastClaims = claims
            // Others may have come meanwhile.
            if learnt.claims == claims { learnt.claims = nil }
        }
    }
}
