import CofferCore
import CofferCrypto

/// Where listings go on, as texts: the vault's cursor, enciphered, behind a sum that only this process can
/// make, in base64url. So a vault gets no cursor that it did not give, nor one of another listing; and nobody reads in it
/// the name of a record that was left out.
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
        let sum = sum(of: cursor, user)
        return Base64URL.text(sum + enciphered(cursor[...], by: sum))
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
        let cursor = enciphered(bytes[Self.sumBytes...], by: Array(bytes[..<Self.sumBytes]))
        let difference = zip(bytes, sum(of: cursor, user)).reduce(0) { $0 | ($1.0 ^ $1.1) }
        guard difference == 0 else { throw Self.foreign }
        return cursor
    }

    private func sum(of cursor: [UInt8], _ user: String?) -> [UInt8] {
        let id = Array((user ?? "").utf8)
        let bytes = [user == nil ? 0 : 1, UInt8(id.count >> 8), UInt8(id.count & 0xFF)] + id + cursor
        return Array(bytes.withUnsafeBytes { key.sum($0) }.prefix(Self.sumBytes))
    }

    /// The way there and back. A sum is that of one cursor alone, so no two are enciphered alike.
    private func enciphered(_ cursor: ArraySlice<UInt8>, by sum: [UInt8]) -> [UInt8] {
        var stream: [UInt8] = []
        stream.reserveCapacity(cursor.count + Digest.byteCount)
        var block = 0
        while stream.count < cursor.count {
            // What sums are made of begins with 0 or 1.
            let input = [2] + sum + [UInt8(block >> 8), UInt8(block & 0xFF)]
            stream += input.withUnsafeBytes { key.sum($0) }
            block += 1
        }
        return zip(cursor, stream).map { $0 ^ $1 }
    }

    private static let foreign = Failure.badField(
        "page_token",
        "expected the next_page_token of this listing, issued since the daemon started; start from the first page")
}
