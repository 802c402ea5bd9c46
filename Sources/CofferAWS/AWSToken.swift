internal import CofferCore
internal import CofferCrypto
internal import CofferVault
internal import CofferVaultKit

/// The ClientRequestToken of a write: the same for the same write, so that one
/// sent twice is one, and another for every other. It becomes the version's id.
enum AWSToken {
    /// The service's own limits.
    private static let sizes = 32...64
    private static let mark = "coffer-"

    /// A UUID made from version and name; for text, whose version is read from
    /// the token, "coffer-", more hyphens up to the least size, and the version.
    static func token(of item: VaultItem, secret: String) -> String {
        if case .text = item.payload, (1...sizes.upperBound - mark.utf8.count).contains(item.version.utf8.count),
            item.version.utf8.allSatisfy(\.isASCIILetterOrDigit)
        {
            let fill = sizes.lowerBound - mark.utf8.count - item.version.utf8.count
            return mark + String(repeating: "-", count: max(0, fill)) + item.version
        }
        var bytes = Array(Digest.sha256(Array("coffer write\0\(item.version)\0\(secret)".utf8)).prefix(16))
        // RFC 9562: version 8, variant 2.
        bytes[6] = bytes[6] & 0x0F | 0x80
        bytes[8] = bytes[8] & 0x3F | 0x80
        let hex = Array(Hex.text(bytes))
        return [0..<8, 8..<12, 12..<16, 16..<20, 20..<32].map { String(hex[$0]) }.joined(separator: "-")
    }

    /// When a text of this version was written, if it was by us: versions of texts begin
    /// with that in microseconds, in hex. The service's own time comes too late: it gives none when it is written.
    static func time(ofVersion version: String) -> WallMilliseconds? {
        guard version.utf8.count == 24, version.utf8.allSatisfy(\.isASCIILetterOrDigit) else { return nil }
        return UInt64(version.prefix(16), radix: 16).map { $0 / 1_000 }
    }

    /// The version of a text, as it was written by us; others' ids as they are.
    static func version(ofVersionID id: String) -> String {
        guard id.hasPrefix(mark) else { return id }
        let version = id.dropFirst(mark.count).drop { $0 == "-" }
        return version.isEmpty ? id : String(version)
    }
}
