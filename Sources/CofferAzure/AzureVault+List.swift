package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

extension AzureVault {
    /// Secrets in one page, the most that the service gives; each record among them is asked for.
    static var pageSize: Int { 25 }
    /// Pages without a record that one call goes through: the service lists all secrets of the vault, whatever is asked for.
    private static var maximumPages: Int { 16 }

    /// A page of the service's own order. It may hold fewer entries than there are behind it, even none: what has
    /// expired and what is not ours is left out.
    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        let starts = user.map { names.starts(of: $0.id) } ?? [names.start]
        let cursor = try cursor.map { bytes throws(Failure) in try AzureListCursor(bytes, listing: starts[0]) }
        let found: (keys: [RecordKey], next: AzureListCursor?) = try await during(deadline) { () throws(Failure) in
            var page = try await self.keys(beginning: starts, cursor, limit, isCallers: cursor != nil, deadline)
            for _ in 1..<Self.maximumPages {
                guard page.keys.isEmpty, let next = page.next else { break }
                page = try await self.keys(beginning: starts, next, limit, isCallers: false, deadline)
            }
            return page
        }
        let items = await readMany(found.keys.map { VaultKey(key: $0, tag: [], userTag: []) }, deadline: deadline)
        var page = VaultPage(entries: [], next: found.next?.bytes(listing: starts[0]))
        for (key, item) in zip(found.keys, items) {
            do throws(Failure) {
                guard let item = try item.get() else { continue }
                page.entries.append(VaultPage.Entry(name: .key(key), item: item))
            } catch {
                guard error.isOfOneRecord else { throw error }
                page.entries.append(VaultPage.Entry(name: .key(key), failure: error))
            }
        }
        return page
    }

    /// Whose records they are, and where those behind them are.
    ///
    /// - Parameters:
    ///   - place: nil = the beginning.
    ///   - isCallers: `place` comes from the caller.
    private func keys(
        beginning starts: [String], _ place: AzureListCursor?, _ limit: Int, isCallers: Bool, _ deadline: BootInstant
    ) async throws(Failure) -> (keys: [RecordKey], next: AzureListCursor?) {
        let size = min(max(limit, 1), Self.pageSize)
        let cursor = place ?? AzureListCursor(path: "/secrets?\(AzureClient.version)&maxresults=\(size)")
        let answer: JSON
        do throws(AzureFault) {
            answer = try await client.call(.get, cursor.path, deadline: deadline)
        } catch {
            guard place != nil, case .refused(let refusal) = error, refusal.kind == .badRequest else { throw failure(error) }
            // Of what is sent here only the token is not ours to get right.
            throw isCallers ? AzureListCursor.refused : .azureGarbled(vault: name, writing: false)
        }
        guard let list = answer["value"]?.elements, list.count <= Self.pageSize else {
            throw .azureGarbled(vault: name, writing: false)
        }
        let found = list.compactMap(AzureSecret.init).compactMap { secret -> (name: String, key: RecordKey)? in
            let expires = AzureDocument.expiry(of: secret)
            // What has expired by what its tags say is not asked for.
            guard starts.contains(where: secret.name.hasPrefix), !cursor.hasTaken(secret.name), secret.contentType != AzureDocument.removed,
                expires == 0 || clock.wall < expires
            else { return nil }
            return names.key(of: secret.name) { AzureDocument.key(of: secret) }.map { (secret.name, $0) }
        }
        // The service's links keep the page size that the listing began with.
        let taken = found.prefix(max(limit, 1))
        let keys = taken.map { $0.key }
        if taken.count < found.count { return (keys, cursor.taking(taken.map { $0.name })) }
        guard let link = answer["nextLink"]?.text, !link.isEmpty else { return (keys, nil) }
        guard let url = HTTPURL(link), client.audience.isServer(url.origin), AzureListCursor.isPage(url.path), url.path != cursor.path else {
            throw .azureGarbled(vault: name, writing: false)
        }
        return (keys, AzureListCursor(path: url.path))
    }
}

/// Where a page ended: the service's link to the next one without its host, or to the same one and what was taken of it; bound
/// to the listing that it is of.
struct AzureListCursor {
    static let maximumPathBytes = 2048
    static let refused = Failure.badField(
        "page_token", "was not issued by this vault for this listing; start from the first page")
    private static let mark = Array("azure2".utf8)
    private static let digestBytes = 8

    let path: String
    /// Digests of the names that were taken of the page. The service promises no order, so that the last one's place tells
    /// nothing once it is deleted.
    private var taken: [[UInt8]] = []

    init(path: String) { self.path = path }

    func hasTaken(_ name: String) -> Bool { !taken.isEmpty && taken.contains(Self.digest(name)) }

    /// The same page without these too.
    func taking(_ names: [String]) -> AzureListCursor {
        var cursor = self
        // Of a page that others change meanwhile, those that it had last.
        cursor.taken = (taken + names.map(Self.digest)).suffix(Int(UInt8.max))
        return cursor
    }

    /// - Throws: INVALID_ARGUMENT for bytes that no page of this listing ended with.
    init(_ bytes: [UInt8], listing: String) throws(Failure) {
        let head = Self.mark + Self.digest(listing)
        guard bytes.starts(with: head), bytes.count > head.count else { throw Self.refused }
        let rest = bytes.dropFirst(head.count + 1)
        let count = Int(bytes[head.count]) * Self.digestBytes
        guard count <= rest.count, let path = String(validating: rest.dropFirst(count), as: UTF8.self), Self.isPage(path)
        else { throw Self.refused }
        self.path = path
        let digests = Array(rest.prefix(count))
        taken = stride(from: 0, to: count, by: Self.digestBytes).map { Array(digests[$0..<$0 + Self.digestBytes]) }
    }

    func bytes(listing: String) -> [UInt8] {
        Self.mark + Self.digest(listing) + [UInt8(taken.count)] + taken.joined() + Array(path.utf8)
    }

    /// It leads to a list of secrets and nowhere else.
    static func isPage(_ path: String) -> Bool {
        path.utf8.count <= maximumPathBytes && path.hasPrefix("/secrets?") && HTTPURL("https://host\(path)")?.path == path
    }

    private static func digest(_ listing: String) -> [UInt8] {
        Array(Digest.sha256(Array(listing.utf8)).prefix(digestBytes))
    }
}
