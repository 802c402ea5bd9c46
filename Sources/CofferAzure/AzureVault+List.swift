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
        let found: (keys: [RecordKey], next: String?) = try await during(deadline) { () throws(Failure) in
            let size = min(max(limit, 1), Self.pageSize)
            var page = try await self.keys(beginning: starts, cursor?.path, size, isCallers: cursor != nil, deadline)
            for _ in 1..<Self.maximumPages {
                guard page.keys.isEmpty, let next = page.next else { break }
                page = try await self.keys(beginning: starts, next, size, isCallers: false, deadline)
            }
            return page
        }
        let items = await readMany(found.keys.map { VaultKey(key: $0, tag: [], userTag: []) }, deadline: deadline)
        var page = VaultPage(entries: [], next: found.next.map { AzureListCursor(path: $0).bytes(listing: starts[0]) })
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

    /// Whose records they are, and where the service says that those behind them are.
    ///
    /// - Parameter isCallers: `next` comes from the caller.
    private func keys(
        beginning starts: [String], _ next: String?, _ size: Int, isCallers: Bool, _ deadline: BootInstant
    ) async throws(Failure) -> (keys: [RecordKey], next: String?) {
        let answer: JSON
        do throws(AzureFault) {
            answer = try await client.call(
                .get, next ?? "/secrets?\(AzureClient.version)&maxresults=\(size)", deadline: deadline)
        } catch {
            guard next != nil, case .refused(let refusal) = error, refusal.kind == .badRequest else { throw failure(error) }
            // Of what is sent here only the token is not ours to get right.
            throw isCallers ? AzureListCursor.refused : .azureGarbled(vault: name, writing: false)
        }
        guard let list = answer["value"]?.elements, list.count <= Self.pageSize else {
            throw .azureGarbled(vault: name, writing: false)
        }
        let keys = list.compactMap(AzureSecret.init).compactMap { secret -> RecordKey? in
            let expires = AzureDocument.expiry(of: secret)
            // What has expired by what its tags say is not asked for.
            guard starts.contains(where: secret.name.hasPrefix), secret.contentType != AzureDocument.removed,
                expires == 0 || clock.wall < expires
            else { return nil }
            return names.key(of: secret.name) { AzureDocument.key(of: secret) }
        }
        guard let link = answer["nextLink"]?.text, !link.isEmpty else { return (keys, nil) }
        guard let url = HTTPURL(link), client.audience.isServer(url.origin), AzureListCursor.isPage(url.path), url.path != next else {
            throw .azureGarbled(vault: name, writing: false)
        }
        return (keys, url.path)
    }
}

/// Where a page ended: the service's link to the next one without its host, bound to the listing that it is of.
struct AzureListCursor {
    static let maximumPathBytes = 2048
    static let refused = Failure.badField(
        "page_token", "was not issued by this vault for this listing; start from the first page")
    private static let mark = Array("azure1".utf8)

    let path: String

    init(path: String) { self.path = path }

    /// - Throws: INVALID_ARGUMENT for bytes that no page of this listing ended with.
    init(_ bytes: [UInt8], listing: String) throws(Failure) {
        let head = Self.mark + Self.digest(listing)
        guard bytes.starts(with: head), let path = String(validating: bytes.dropFirst(head.count), as: UTF8.self),
            Self.isPage(path)
        else { throw Self.refused }
        self.path = path
    }

    func bytes(listing: String) -> [UInt8] { Self.mark + Self.digest(listing) + Array(path.utf8) }

    /// It leads to a list of secrets and nowhere else.
    static func isPage(_ path: String) -> Bool {
        path.utf8.count <= maximumPathBytes && path.hasPrefix("/secrets?") && HTTPURL("https://host\(path)")?.path == path
    }

    private static func digest(_ listing: String) -> [UInt8] {
        Array(Digest.sha256(Array(listing.utf8)).prefix(8))
    }
}
