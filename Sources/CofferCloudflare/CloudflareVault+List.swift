package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

extension CloudflareVault {
    /// Keys in one listing: as many as one bulk read gives the values of.
    static var pageSize: Int { 100 }
    /// The least that Cloudflare may be asked for.
    private static var smallestPage: Int { 10 }

    /// A page in Cloudflare's own order, that of the keys' bytes. It may hold fewer entries than there are behind it, even
    /// none: what has expired and what is not ours is left out.
    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        let start = user.map { names.userPrefix($0.id) } ?? names.allPrefix
        let cursor = try cursor.map { bytes throws(Failure) in try CloudflareListCursor(bytes, listing: start) }
        return try await during(deadline) { () throws(Failure) in
            let listed = try await self.keys(beginning: start, cursor, limit, deadline)
            let values = await self.values(of: listed.keys.map(\.name), deadline)
            let now = self.clock.wall
            var page = VaultPage(entries: [], next: listed.next?.bytes(listing: start))
            for (name, key) in listed.keys {
                do throws(Failure) {
                    let found = try (values[ByteText(name)] ?? .success(.absent)).get()
                    guard let item = try found.live(at: now, vault: self.name) else { continue }
                    page.entries.append(VaultPage.Entry(name: .key(key), item: item))
                } catch {
                    guard error.isOfOneRecord else { throw error }
                    page.entries.append(VaultPage.Entry(name: .key(key), failure: error))
                }
            }
            return page
        }
    }

    /// Keys of records, and where those behind them begin.
    private func keys(
        beginning start: String, _ cursor: CloudflareListCursor?, _ limit: Int, _ deadline: BootInstant
    ) async throws(Failure) -> (keys: [(name: String, key: RecordKey)], next: CloudflareListCursor?) {
        let size = min(max(limit, Self.smallestPage), Self.pageSize)
        var query = [(name: "limit", value: String(size)), (name: "prefix", value: start)]
        if let token = cursor?.token, !token.isEmpty { query.append((name: "cursor", value: token)) }
        let answer: CloudflareAnswer
        do throws(CloudflareFault) {
            answer = try await ask(deadline) { [query] path in CloudflareCall(.get, path + "/keys", query: query) }
        } catch {
            throw client.failure(error)
        }
        guard let list = answer.result.elements, list.count <= Self.pageSize else {
            throw .cloudflareGarbled(client.product, vault: name, writing: false)
        }
        let after = Array((cursor?.lastKey ?? "").utf8)
        let all = list.compactMap { $0["name"]?.text }.filter { after.lexicographicallyPrecedes($0.utf8) }
        let taken = all.prefix(max(limit, 1))
        // The service is not relied on to filter, or to name a key once.
        var known: Set<ByteText> = []
        let keys = taken.compactMap { name in
            name.utf8.starts(with: start.utf8) && known.insert(ByteText(name)).inserted
                ? names.key(ofName: name).map { (name: name, key: $0) } : nil
        }
        if taken.count < all.count {
            return (keys, CloudflareListCursor(token: cursor?.token ?? "", lastKey: taken.last ?? ""))
        }
        let token = answer.information?["cursor"]?.text ?? ""
        guard !token.isEmpty else { return (keys, nil) }
        guard token.utf8.count <= CloudflareListCursor.maximumTokenBytes, cursor?.token.hasSameBytes(as: token) != true else {
            throw .cloudflareGarbled(client.product, vault: name, writing: false)
        }
        return (keys, CloudflareListCursor(token: token, lastKey: ""))
    }
}

/// Where a page ended: Cloudflare's cursor, and the last key that was taken of what it leads to; bound to the
/// listing that it is of. Cloudflare's pages have ten keys at least.
struct CloudflareListCursor {
    static let maximumTokenBytes = 2_048
    static let refused = Failure.badField(
        "page_token", "was not issued by this vault for this listing; start from the first page")
    private static let mark = Array("ckv1".utf8)

    /// Cloudflare's own, which nobody looks into; "" = from the start.
    let token: String
    /// "" = none.
    let lastKey: String

    init(token: String, lastKey: String) { (self.token, self.lastKey) = (token, lastKey) }

    /// - Throws: INVALID_ARGUMENT for bytes that no page of this listing ended with.
    init(_ bytes: [UInt8], listing: String) throws(Failure) {
        let head = Self.mark + Self.digest(listing)
        guard bytes.starts(with: head), bytes.count >= head.count + 2 else { throw Self.refused }
        let rest = bytes[head.count...]
        let count = Int(rest[rest.startIndex]) << 8 | Int(rest[rest.startIndex + 1])
        let texts = rest.dropFirst(2)
        guard count <= min(Self.maximumTokenBytes, texts.count),
            let token = String(validating: texts.prefix(count), as: UTF8.self),
            let lastKey = String(validating: texts.dropFirst(count), as: UTF8.self),
            lastKey.utf8.count <= CloudflareKVNames.maximumBytes
        else { throw Self.refused }
        self.init(token: token, lastKey: lastKey)
    }

    func bytes(listing: String) -> [UInt8] {
        let count = token.utf8.count
        return Self.mark + Self.digest(listing) + [UInt8(count >> 8), UInt8(count & 255)] + Array(token.utf8)
            + Array(lastKey.utf8)
    }

    private static func digest(_ listing: String) -> [UInt8] {
        Array(Digest.sha256(Array(listing.utf8)).prefix(8))
    }
}
