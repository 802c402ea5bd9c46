package import CofferCore
internal import CofferCrypto
package import CofferVault
internal import CofferVaultKit

extension AWSVault {
    /// Entries in one ListSecrets.
    static var pageSize: Int { 100 }

    /// A page of the service's own order. It may hold fewer entries than there
    /// are behind it, even none: what has expired and what is not ours is left out.
    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        let starts = user.map { names.userPrefixes($0.id) } ?? [names.allPrefix]
        let start = starts[0]
        let cursor = try cursor.map { bytes throws(Failure) in try AWSListCursor(bytes, listing: start) }
        return try await during(deadline) { () throws(Failure) in
            let (keys, token) = try await self.names(beginning: starts, cursor?.token, limit, deadline)
            // A record that has two names is listed where the one is that is read.
            let preferred = Set(keys.compactMap { self.names.preferred($0.key) })
            let values = await self.values(
                of: preferred.union(keys.map(\.secret)).sorted(), deadline)
            let now = self.clock.wall
            var page = VaultPage(entries: [], next: token.map { AWSListCursor(token: $0).bytes(listing: start) })
            for (secret, key) in keys {
                if let first = self.names.preferred(key), first != secret,
                    case .success(let other)? = values[first], !other.isAbsent(at: now)
                {
                    continue
                }
                do throws(Failure) {
                    let found = try (values[secret] ?? .success(.absent)).get()
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

    /// Names of records, and the service's token for those behind them.
    private func names(
        beginning starts: [String], _ token: String?, _ limit: Int, _ deadline: BootInstant
    ) async throws(Failure) -> (keys: [(secret: String, key: RecordKey)], token: String?) {
        var body: [(name: String, value: JSON)] = [
            ("MaxResults", .integer(min(max(limit, 1), Self.pageSize))),
            ("Filters", .array([.object([("Key", .string("name")), ("Values", .array(starts.map(JSON.string)))])])),
        ]
        if let token { body.append(("NextToken", .string(token))) }
        let answer: JSONAnswer
        do throws(AWSFault) {
            answer = try await client.call("ListSecrets", .object(body), deadline: deadline)
        } catch {
            // Of what is sent here only the token is not ours to get right.
            if token != nil, case .refused(let refusal) = error, refusal.kind == .badParameter {
                throw AWSListCursor.refused
            }
            throw failure(error)
        }
        guard let list = answer["SecretList"]?.elements, list.count <= Self.pageSize else {
            throw .awsGarbled(vault: name, writing: false)
        }
        // The service's filter is not relied on.
        let keys = list.compactMap { entry -> (secret: String, key: RecordKey)? in
            guard let secret = entry["Name"]?.text, starts.contains(where: secret.hasPrefix) else { return nil }
            return names.key(ofListed: secret).map { (secret, $0) }
        }
        guard let next = answer["NextToken"], !next.isNull else { return (keys, nil) }
        guard let next = next.text, (1...AWSListCursor.maximumTokenBytes).contains(next.utf8.count), next != token
        else {
            throw .awsGarbled(vault: name, writing: false)
        }
        return (keys, next)
    }
}

/// Where a page ended: the service's token, bound to the listing that it is of.
struct AWSListCursor {
    static let maximumTokenBytes = 4096
    static let refused = Failure.badField(
        "page_token", "was not issued by this vault for this listing; start from the first page")
    private static let mark = Array("aws1".utf8)

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
