internal import CofferCore
internal import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// The API token, which a reload may replace.
final class CloudflareToken: Sendable {
    /// More than any token has: those of 2026 have 40 to 60.
    static let maximumBytes = 4_096
    private let current: Mutex<Secret>

    init(_ token: Secret) { current = Mutex(token) }

    /// The header of every request.
    var authorization: Secret {
        let token = current.withLock { $0 }
        return SecretWriter.build(count: 7 + token.count) { writer in
            writer.append("Bearer ")
            writer.append(token)
        }
    }

    /// - Returns: whether it is another one.
    /// - Throws: FAILED_PRECONDITION for what is no token; the one before stays in use.
    func replace(by content: Secret, from place: String) throws(Failure) -> Bool {
        let token = try Self.checked(content, from: place)
        return current.withLock { current in
            defer { current = token }
            return !current.isEqual(to: token)
        }
    }

    /// The token without a line end.
    ///
    /// - Parameter place: the file or variable, for the message.
    static func checked(_ content: Secret, from place: String) throws(Failure) -> Secret {
        let token = content.withoutLineEnd
        guard (1...maximumBytes).contains(token.count), token.isHeaderValue(allowsBlanks: false) else {
            throw Failure(
                .failedPrecondition, .vaultRefused,
                "\(place): expected one API token of 1 to \(maximumBytes) visible ASCII characters, got \(token.count) bytes",
                isUnsent: true)
        }
        return token
    }
}
