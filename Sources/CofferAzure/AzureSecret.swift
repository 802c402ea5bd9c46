internal import CofferCore
internal import CofferVaultKit

/// A secret as the service describes it: SecretBundle, DeletedSecretBundle, or an item of a list.
struct AzureSecret: Sendable {
    /// In lower case: to the service, names that differ in case alone are one.
    let name: String
    /// 32 hex digits; nil in a list.
    let version: String?
    /// Nil where the service does not give it.
    let value: JSON?
    let contentType: String?
    let tags: JSON?
    /// By the service, to the second: when this version was made.
    let created: WallMilliseconds?
    /// `exp`, to the second, which the service does nothing about.
    let expires: WallMilliseconds?

    /// Trusts nothing; nil for what is no secret.
    init?(_ answer: JSON) {
        // "https://vault/secrets/name/version"
        let parts = (answer["id"]?.text ?? "").split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard let start = parts.firstIndex(of: "secrets"), (start + 2...start + 3).contains(parts.count),
            (1...127).contains(parts[start + 1].utf8.count)
        else { return nil }
        name = parts[start + 1].lowercased()
        version = parts.count == start + 3 ? parts[start + 2].lowercased() : nil
        guard version.map({ $0.utf8.count == 32 && $0.utf8.allSatisfy { Hex.value($0) != nil } }) ?? true else { return nil }
        value = answer["value"]
        contentType = answer["contentType"]?.text
        tags = answer["tags"]
        let attributes = answer["attributes"]
        created = Self.milliseconds(attributes?["created"])
        expires = Self.milliseconds(attributes?["exp"])
    }

    /// From 1970 to 9999.
    private static func milliseconds(_ seconds: JSON?) -> WallMilliseconds? {
        seconds?.integer.flatMap { (0..<253_402_300_800).contains($0) ? WallMilliseconds($0) * 1_000 : nil }
    }
}
