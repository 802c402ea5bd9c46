package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

extension GoogleVault {
    /// Annotations of a secret: whose record it is, for people, and for names that do not tell it.
    static let userAnnotation = "coffer-user"
    static let connectionAnnotation = "coffer-connection"
    /// Secrets in one page, each of which is asked for.
    static var pageSize: Int { 100 }

    /// A page of the service's own order. It may hold fewer entries than there are behind it, even none: what has
    /// expired and what is not ours is left out.
    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        let starts = user.map { names.starts(of: $0.id) } ?? [names.start]
        let cursor = try cursor.map { bytes throws(Failure) in try GoogleListCursor(bytes, listing: starts[0]) }
        let found: (keys: [RecordKey], token: String?) = try await during(deadline) { () throws(Failure) in
            try await self.keys(beginning: starts, cursor?.token, limit, deadline)
        }
        let items = await readMany(found.keys.map { VaultKey(key: $0, tag: [], userTag: []) }, deadline: deadline)
        var page = VaultPage(entries: [], next: found.token.map { GoogleListCursor(token: $0).bytes(listing: starts[0]) })
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

    /// Whose records they are, and the service's token for those behind them.
    private func keys(
        beginning starts: [String], _ token: String?, _ limit: Int, _ deadline: BootInstant
    ) async throws(Failure) -> (keys: [RecordKey], token: String?) {
        let filter = starts.map { "name:\($0)" }.joined(separator: " OR ")
        var path = "\(parent)?pageSize=\(min(max(limit, 1), Self.pageSize))&filter=\(PercentEncoding.text(filter))"
        if let token { path += "&pageToken=\(PercentEncoding.text(token))" }
        let answer: JSONAnswer
        do throws(GoogleFault) {
            answer = try await client.call(.get, path, deadline: deadline)
        } catch {
            // Of what is sent here only the token is not ours to get right.
            if token != nil, case .refused(let refusal) = error, refusal.kind == .badRequest {
                throw GoogleListCursor.refused
            }
            throw failure(error)
        }
        // A page without any leaves the list out.
        let list = answer["secrets"]?.elements ?? []
        guard list.count <= Self.pageSize else { throw .googleGarbled(vault: name, writing: false) }
        // The service's filter finds parts of names, and is not relied on.
        let keys = list.compactMap { entry -> RecordKey? in
            guard let name = entry["name"]?.text?.split(separator: "/").last.map(String.init),
                starts.contains(where: name.hasPrefix)
            else { return nil }
            return names.key(of: name) { Self.annotated(entry["annotations"]) }
        }
        guard let next = answer["nextPageToken"]?.text, !next.isEmpty else { return (keys, nil) }
        guard next.utf8.count <= GoogleListCursor.maximumTokenBytes, next != token else {
            throw .googleGarbled(vault: name, writing: false)
        }
        return (keys, next)
    }

    private static func annotated(_ annotations: JSON?) -> RecordKey? {
        guard let user = annotations?[userAnnotation]?.text, let connection = annotations?[connectionAnnotation]?.text
        else { return nil }
        return try? RecordKey(user: user, connection: connection)
    }
}

/// Where a page ended: the service's token, bound to the listing that it is of.
struct GoogleListCursor {
    static let maximumTokenBytes = 2048
    static let refused = Failure.badField(
        "page_token", "was not issued by this vault for this listing; start from the first page")
    private static let mark = Array("gcp1".utf8)

    /// The service's own, which nobody looks into.
    let token: String

    init(token: String) { self.token = token }

    /// - Throws: INVALID_ARGUMENT for bytes that no page of this listing ended with.
    init(_ bytes: [UInt8], listing: String) throws(Failure) {
        let head = Self.mark + Self.digest(listing)
        guard bytes.starts(with: head), let token = String(validating: bytes.dropFirst(head.count), as: UTF8.self),
            (1...Self.maximumTokenBytes).contains(token.utf8.count)
        else { throw Self.refused }
        self.token = token
    }

    func bytes(listing: String) -> [UInt8] { Self.mark + Self.digest(listing) + Array(token.utf8) }

    private static func digest(_ listing: String) -> [UInt8] {
        Array(Digest.sha256(Array(listing.utf8)).prefix(8))
    }
}
