internal import CofferCore
internal import CofferVaultKit

/// A bearer token for Azure's services.
struct AzureToken: CachedToken {
    /// The header: "Bearer …".
    let authorization: Secret
    let expiresAt: WallMilliseconds
    /// Seconds after which its source wants to be asked for another one.
    private let refreshIn: UInt64?

    /// Of an answer with a token: a number in it may be a text, and Azure's hosts tell the time of the end beside or in place of
    /// the seconds until then.
    ///
    /// - Returns: nil for what is no answer with a token.
    init?(_ answer: JSON, now: WallMilliseconds) {
        guard let authorization = answer["access_token"]?.secret?.bearerHeader else { return nil }
        let seconds =
            Self.number(answer["expires_in"])
            ?? Self.number(answer["expires_on"]).map { $0 - Int64(now / 1_000) }
        // Tokens that can be revoked live up to 28 hours; those of managed identities live 24.
        guard let seconds, (0...200_000).contains(seconds) else { return nil }
        self.authorization = authorization
        expiresAt = now + UInt64(seconds) * 1_000
        refreshIn = Self.number(answer["refresh_in"]).flatMap { $0 >= 1 && $0 <= seconds ? UInt64($0) : nil }
    }

    /// As its source wants it; half-way of two hours and more; else five minutes before its end, or of a short life in its
    /// last quarter: as Microsoft's own programs do.
    func refreshTime(now: WallMilliseconds) -> WallMilliseconds {
        if let refreshIn { return now + refreshIn * 1_000 }
        let life = expiresAt > now ? expiresAt - now : 0
        return life >= 7_200_000 ? now + life / 2 : expiresAt - min(300_000, life / 4)
    }

    /// Of seconds, from 1970 to 9999 at most.
    private static func number(_ json: JSON?) -> Int64? {
        (json?.integer ?? json?.text.flatMap { Int64($0) }).flatMap { (0..<253_402_300_800).contains($0) ? $0 : nil }
    }
}
