package import CofferCore
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

extension CloudflareVault {
    /// Keys in one bulk read, Cloudflare's own limit.
    static var batchSize: Int { 100 }
    /// Calls for one GetMany or page that are under way together.
    static var callsAtOnce: Int { 4 }

    /// What is under a key now.
    enum Found: Sendable {
        case absent
        case item(VaultItem)
        /// Something is there that is no record, or is too large to be one.
        case unreadable

        /// As readers see it: what has expired is absent.
        func live(at now: WallMilliseconds, vault: String) throws(Failure) -> VaultItem? {
            switch self {
            case .absent: nil
            case .item(let item): item.isLive(at: now) ? item : nil
            case .unreadable: throw .unreadable(vault: vault)
            }
        }
    }

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        let name = names.name(of: key.key)
        return try await during(deadline) { () throws(Failure) in
            try await self.current(named: name, deadline).live(at: self.clock.wall, vault: self.name)
        }
    }

    func current(named name: String, _ deadline: BootInstant) async throws(Failure) -> Found {
        try await values(of: [name], deadline)[ByteText(name)]?.get() ?? .absent
    }

    package func readMany(_ keys: [VaultKey], deadline: BootInstant) async -> [Result<VaultItem?, Failure>] {
        let wanted = keys.map { ByteText(names.name(of: $0.key)) }
        do throws(Failure) {
            let outcomes = try await during(deadline) { () async throws(Failure) in
                var known: Set<ByteText> = []
                return await self.values(of: wanted.filter { known.insert($0).inserted }.map(\.text), deadline)
            }
            let now = clock.wall
            return wanted.map { name in
                (outcomes[name] ?? .success(.absent)).flatMap { found in
                    do throws(Failure) { return .success(try found.live(at: now, vault: self.name)) } catch {
                        return .failure(error)
                    }
                }
            }
        } catch {
            return keys.map { _ in .failure(error) }
        }
    }

    /// What reads of keys gave, by key.
    typealias Outcomes = [ByteText: Result<Found, Failure>]

    /// An outcome for each of the keys, by bulk reads: one gives value, metadata and expiry together.
    func values(of names: [String], _ deadline: BootInstant) async -> Outcomes {
        let chunks = stride(from: 0, to: names.count, by: Self.batchSize).map {
            Array(names[$0..<min($0 + Self.batchSize, names.count)])
        }
        guard chunks.count > 1 else { return await values(ofChunk: names, deadline) }
        return await withTaskGroup(of: Outcomes.self) { group in
            var waiting = chunks.makeIterator()
            for chunk in (0..<Self.callsAtOnce).compactMap({ _ in waiting.next() }) {
                group.addTask { await self.values(ofChunk: chunk, deadline) }
            }
            var all: Outcomes = [:]
            for await some in group {
                all.merge(some) { $1 }
                if let chunk = waiting.next() { group.addTask { await self.values(ofChunk: chunk, deadline) } }
            }
            return all
        }
    }

    private func values(ofChunk names: [String], _ deadline: BootInstant) async -> Outcomes {
        guard !names.isEmpty else { return [:] }
        do throws(CloudflareFault) {
            let answer = try await ask(deadline) { path in
                CloudflareCall(
                    .post, path + "/bulk/get",
                    json: .object([
                        ("keys", .array(names.map(JSON.string))), ("type", .string("text")), ("withMetadata", .bool(true)),
                    ]), isWriting: false)
            }
            return await LargeAnswer.look(at: answer.bytes) { self.outcomes(of: names, answer) }
        } catch {
            guard isTooMuch(error) else {
                let failure = client.failure(error)
                return outcomes(of: names) { _ in .failure(failure) }
            }
            // Nobody's record is as large as that.
            guard names.count > 1 else { return outcomes(of: names) { _ in .success(.unreadable) } }
            let half = names.count / 2
            let first = await values(ofChunk: Array(names[..<half]), deadline)
            return first.merging(await values(ofChunk: Array(names[half...]), deadline)) { $1 }
        }
    }

    /// The values together are more than the daemon takes, or Cloudflare gives.
    private func isTooMuch(_ fault: CloudflareFault) -> Bool {
        switch fault {
        case .tooLarge: true
        case .refused(let refusal): refusal.kind == .tooLarge
        case .failed: false
        }
    }

    private func outcomes(of names: [String], _ answer: CloudflareAnswer) -> Outcomes {
        guard let members = answer.result["values"]?.members else {
            let failure = Failure.cloudflareGarbled(client.product, vault: self.name, writing: false)
            return outcomes(of: names) { _ in .failure(failure) }
        }
        let values = Dictionary(members.map { (ByteText($0.name), $0.value) }) { first, _ in first }
        return outcomes(of: names) { name in
            // What was left out is not said to be absent.
            guard let value = values[name] else {
                return .failure(.cloudflareGarbled(client.product, vault: self.name, writing: false))
            }
            return .success(found(value))
        }
    }

    private func outcomes(of names: [String], _ outcome: (ByteText) -> Result<Found, Failure>) -> Outcomes {
        var all: Outcomes = [:]
        for name in names.map(ByteText.init) { all[name] = outcome(name) }
        return all
    }

    private func found(_ entry: JSON) -> Found {
        if entry.isNull || entry["value"]?.isNull == true { return .absent }
        guard let value = entry["value"]?.secret else { return .unreadable }
        let item = CloudflareDocument.item(
            value, entry["metadata"], expiration: entry["expiration"]?.double.flatMap { Int64(exactly: $0.rounded()) },
            unversioned: unversioned)
        return item.map(Found.item) ?? .unreadable
    }
}
