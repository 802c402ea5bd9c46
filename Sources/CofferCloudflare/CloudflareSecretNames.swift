package import CofferCore
internal import CofferCrypto
internal import CofferVaultKit

/// The names of secrets in a store: "{prefix}-{user}-{connection}", each id in lower-case base32 without
/// padding, as names may have letters, digits, `_` and `-` only. An id of more than 38 bytes is `0` and its SHA-256 in
/// base32: `0` is no digit of base32, so no other id has the same part.
package struct CloudflareSecretNames: Sendable {
    /// Two such ids and a prefix of one letter make a name of 125 bytes.
    static let longestPlainID = 38

    let prefix: String

    package init(prefix: String) { self.prefix = prefix }

    package func name(of key: RecordKey) -> String { "\(prefix)-\(Self.part(key.user))-\(Self.part(key.connection))" }

    /// What is wrong with a prefix; nil = nothing.
    static func mistake(inPrefix prefix: String) -> String? {
        let isLegal = prefix.utf8.allSatisfy { $0.isNameByte }
        return isLegal && (1...32).contains(prefix.utf8.count)
            ? nil : "expected 1 to 32 letters, digits, - and _, which the names of secrets may have"
    }

    static func part(_ id: String) -> String {
        let bytes = Array(id.utf8)
        return bytes.count <= longestPlainID ? Base32.text(bytes) : "0" + Base32.text(Digest.sha256(bytes))
    }
}

extension UInt8 {
    fileprivate var isNameByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
