internal import CofferCore
internal import CofferVaultKit

/// A bearer token for Google's services.
struct GoogleToken: CachedToken {
    /// google-auth's REFRESH_THRESHOLD. The metadata server gives the same token until five minutes before its end.
    static let advisory: UInt64 = 225_000

    /// The header: "Bearer …".
    let authorization: Secret
    let expiresAt: WallMilliseconds
    /// The project that calls with it are counted for, as the credentials name it.
    let quotaProject: String?

    /// - Parameter seconds: that the token still lives.
    /// - Returns: nil for what cannot stand in a header.
    init?(_ token: Secret?, seconds: Int64?, quotaProject: String? = nil, now: WallMilliseconds) {
        guard let seconds, (0...86_400).contains(seconds) else { return nil }
        self.init(token, expiresAt: now + UInt64(seconds) * 1_000, quotaProject: quotaProject)
    }

    init?(_ token: Secret?, expiresAt: WallMilliseconds, quotaProject: String? = nil) {
        guard let authorization = token?.bearerHeader else { return nil }
        self.authorization = authorization
        self.expiresAt = expiresAt
        self.quotaProject = quotaProject
    }

    /// From 225 seconds before the end, as Google's own programs do; of a shorter life in its last quarter.
    func refreshTime(now: WallMilliseconds) -> WallMilliseconds {
        let life = expiresAt > now ? expiresAt - now : 0
        return expiresAt - min(Self.advisory, life / 4)
    }
}

typealias GoogleTokens = TokenCache<GoogleToken>

extension GoogleTokens {
    convenience init(
        clock: any Clock, vault: String, login: @escaping @Sendable (BootInstant) async throws(Failure) -> GoogleToken
    ) {
        self.init(of: "Google credentials", clock: clock, vault: vault, login: login)
    }
}
