package import CofferCore
internal import CofferVaultKit

/// What requests are signed with.
package struct AWSCredentials: Sendable {
    /// Names the key; not secret, but goes into no log either.
    package let accessKeyID: String
    package let secretAccessKey: Secret
    /// Of temporary credentials.
    package let sessionToken: Secret?
    /// When they end; nil = never.
    package let expiresAt: WallMilliseconds?

    package init(
        accessKeyID: String, secretAccessKey: Secret, sessionToken: Secret? = nil,
        expiresAt: WallMilliseconds? = nil
    ) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
        self.expiresAt = expiresAt
    }

    /// Whether both are the same key in the same session.
    func isSame(as other: AWSCredentials) -> Bool {
        guard accessKeyID == other.accessKeyID, secretAccessKey.isEqual(to: other.secretAccessKey) else { return false }
        switch (sessionToken, other.sessionToken) {
        case (nil, nil): return true
        case (let mine?, let theirs?): return mine.isEqual(to: theirs)
        default: return false
        }
    }

    /// Nil if a part cannot stand in a header, or is empty.
    static func checked(
        _ accessKeyID: Secret?, _ secretAccessKey: Secret?, _ sessionToken: Secret?,
        expiresAt: WallMilliseconds? = nil
    ) -> AWSCredentials? {
        guard let accessKeyID, let secretAccessKey, secretAccessKey.count > 0,
            let id = accessKeyID.text, (1...128).contains(id.utf8.count),
            id.utf8.allSatisfy({ $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") })
        else { return nil }
        let token = sessionToken.flatMap { $0.count > 0 ? $0 : nil }
        guard token.map({ $0.isHeaderValue() }) ?? true else { return nil }
        return AWSCredentials(
            accessKeyID: id, secretAccessKey: secretAccessKey, sessionToken: token, expiresAt: expiresAt)
    }
}

extension AWSCredentials: CustomStringConvertible, CustomReflectable {
    package var description: String { "<AWS credentials>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
