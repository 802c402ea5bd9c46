internal import CofferCore
internal import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// The API token, which a reload may replace.
final class FlyToken: Sendable {
    /// More than any token has: a list of macaroons has some 2,000 bytes.
    static let maximumBytes = 16_384
    /// What a macaroon begins with, in the order of their ages.
    private static let macaroons = ["fm1r_", "fm1a_", "fm2_"].map { Array($0.utf8) }
    /// What tools put before a token, and people copy.
    private static let schemes = ["Bearer ", "FlyV1 "].map { Array($0.utf8) }

    private let current: Mutex<Secret>

    /// - Parameter token: as `checked` gives it.
    init(_ token: Secret) { current = Mutex(token) }

    /// The value of the header of every request: "FlyV1 …" or "Bearer …".
    var authorization: Secret { current.withLock { $0 } }

    /// - Returns: whether it is another one.
    /// - Throws: FAILED_PRECONDITION for what is no token; the one before stays in use.
    func replace(by content: Secret, from place: String) throws(Failure) -> Bool {
        let token = try Self.checked(content, from: place)
        return current.withLock { current in
            defer { current = token }
            return !current.isEqual(to: token)
        }
    }

    /// The header that a token makes. It may come with a line end, with its scheme, even twice, and as a list with commas: of
    /// that only the macaroons go to the Machines API, if there are any.
    ///
    /// - Parameter place: the file or variable, for the message.
    static func checked(_ content: Secret, from place: String) throws(Failure) -> Secret {
        let text = content.withoutLineEnd
        let parts = text.withBytes { bytes in split(bytes) }
        guard (1...maximumBytes).contains(text.count), let parts,
            parts.allSatisfy({ $0.isHeaderValue(allowsBlanks: false) && $0.count > 0 })
        else {
            throw Failure(
                .failedPrecondition, .vaultRefused,
                "\(place): expected one API token of 1 to \(maximumBytes) visible ASCII characters, as `fly tokens create` prints it; got \(text.count) bytes",
                isUnsent: true)
        }
        let kept = parts.filter(isMacaroon)
        return header(kept.isEmpty ? "Bearer " : "FlyV1 ", kept.isEmpty ? parts : kept)
    }

    private static func header(_ scheme: String, _ parts: [Secret]) -> Secret {
        let count = scheme.utf8.count + parts.reduce(parts.count - 1) { $0 + $1.count }
        return SecretWriter.build(count: count) { writer in
            writer.append(scheme)
            for (index, part) in parts.enumerated() {
                if index > 0 { writer.append(",") }
                writer.append(part)
            }
        }
    }

    /// The tokens of a list, without schemes before it.
    private static func split(_ bytes: RawSpan) -> [Secret]? {
        var start = 0
        while let scheme = schemes.first(where: { begins(bytes, at: start, with: $0) }) { start += scheme.count }
        var parts: [Secret] = []
        for end in start...bytes.byteCount where end == bytes.byteCount || bytes.byte(at: end) == UInt8(ascii: ",") {
            parts.append(Secret(copying: bytes.extracting(start..<end)))
            start = end + 1
        }
        return parts.isEmpty ? nil : parts
    }

    private static func isMacaroon(_ token: Secret) -> Bool {
        token.withBytes { bytes in macaroons.contains { begins(bytes, at: 0, with: $0) } }
    }

    private static func begins(_ bytes: RawSpan, at start: Int, with prefix: [UInt8]) -> Bool {
        bytes.byteCount - start >= prefix.count
            && bytes.extracting(start..<start + prefix.count).isEqual(to: prefix)
    }
}
