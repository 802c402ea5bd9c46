import CofferCore
import CofferCrypto

/// Where listings go on, as texts: the vault's cursor behind a sum that only this process can
/// make, in base64url. So a vault gets no cursor that it did not give, nor one of another listing.
struct PageTokens: Sendable {
    /// Characters; the longest cursor of a vault, AWS's, needs some 5,600.
    static let maximumBytes = 8_192
    private static let sumBytes = 16

    private let key: HMACKey

    /// - Parameter random: for the key. Tokens are good for as long as that lives.
    init(random: some RandomSource) {
        let bytes = random.bytes(32)
        key = HMACKey(bytes.withUnsafeBytes { Secret(copying: $0) })
    }

    /// - Parameter user: whose records are listed; nil = everyone's.
    func encode(_ cursor: [UInt8], user: String?) -> String {
        Base64URL.text(sum(of: cursor, user) + cursor)
    }

    /// Nil for the empty token.
    ///
    /// - Throws: INVALID_ARGUMENT for one that was not given out for this listing.
    func decode(_ token: String, user: String?) throws(Failure) -> [UInt8]? {
        guard !token.isEmpty else { return nil }
        guard token.utf8.count <= Self.maximumBytes else {
            throw .badField("page_token", "expected at most \(Self.maximumBytes) bytes, got \(token.utf8.count)")
        }
        guard let bytes = Base64URL.bytes(Array(token.utf8)[...]), bytes.count >= Self.sumBytes else {
            throw Self.foreign
        }
        let cursor = Array(bytes[Self.sumBytes...])
        let difference = zip(bytes, sum(of: cursor, user)).reduce(0) { $0 | ($1.0 ^ $1.1) }
        guard difference == 0 else { throw Self.foreign }
        return cursor
    }

    private func sum(of cursor: [UInt8], _ user: String?) -> [UInt8] {
        let id = Array((user ?? "").utf8)
        let bytes = [user == nil ? 0 : 1, UInt8(id.count >> 8), UInt8(id.count & 0xFF)] + id + cursor
        return Array(bytes.withUnsafeBytes { key.sum($0) }.prefix(Self.sumBytes))
    }

    private static let foreign = Failure.badField(
        "page_token",
        "expected the next_page_token of this listing, issued since the daemon started; start from the first page")
}
