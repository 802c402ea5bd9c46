package import CofferCore
package import CofferVault
internal import CofferVaultKit
internal import Synchronization

extension AWSVault {
    /// Secrets in one BatchGetSecretValue.
    static var batchSize: Int { 20 }
    /// Calls for one GetMany or page that are under way together.
    static var callsAtOnce: Int { 4 }

    /// What is under a name now.
    enum Found {
        case absent
        /// It can be had back until its time is over.
        case scheduled
        case item(VaultItem)
        /// Something is there that is no record.
        case unreadable

        /// As readers see it: what has expired is absent.
        func live(at now: WallMilliseconds, vault: String) throws(Failure) -> VaultItem? {
            switch self {
            case .absent, .scheduled: nil
            case .item(let item): item.isLive(at: now) ? item : nil
            case .unreadable: throw .unreadable(vault: vault)
            }
        }

        func isAbsent(at now: WallMilliseconds) -> Bool {
            switch self {
            case .absent, .scheduled: true
            case .item(let item): !item.isLive(at: now)
            case .unreadable: false
            }
        }

        /// It is what became of a record after the other, which has the record's second name: also
        /// if it has expired since. What was deleted has no time, and leaves the other.
        func supersedes(_ other: Found, at now: WallMilliseconds) -> Bool {
            switch (self, other) {
            case (.item(let item), .item(let old)): item.updatedAt > old.updatedAt
            case (.item(let item), _): item.isLive(at: now) && other.isAbsent(at: now)
            case (.unreadable, _): other.isAbsent(at: now)
            case (.absent, _), (.scheduled, _): false
            }
        }
    }

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        let secrets = names.all(key.key)
        return try await during(deadline) { () throws(Failure) in
            try await self.current(of: secrets, deadline).found.live(at: self.clock.wall, vault: self.name)
        }
    }

    /// What is under these names of one record: the one counts that was written last, so that a record
    /// that has expired is not there again as what it replaced. A live one under the escaped name
    /// counts without a look at the other, where that is the one that is written.
    func current(of secrets: [String], _ deadline: BootInstant) async throws(Failure) -> (found: Found, secret: String)
    {
        var newest = (found: try await current(named: secrets[0], deadline), secret: secrets[0])
        guard names.prefersLiteral || newest.found.isAbsent(at: clock.wall) else { return newest }
        for other in secrets.dropFirst() {
            let found = try await current(named: other, deadline)
            if found.supersedes(newest.found, at: clock.wall) { newest = (found, other) }
        }
        return newest
    }

    func current(named secret: String, _ deadline: BootInstant) async throws(Failure) -> Found {
        do throws(AWSFault) {
            let answer = try await client.call(
                "GetSecretValue", .object([("SecretId", .string(secret))]), deadline: deadline)
            guard let found = await answer.look({ self.found($0) }) else { throw .failed(.awsGarbled(vault: name, writing: false)) }
            return found
        } catch {
            guard case .refused(let refusal) = error else { throw failure(error) }
            switch refusal.kind {
            case .notFound: return .absent
            case .scheduled: return .scheduled
            default: throw failure(error)
            }
        }
    }

    /// Nil if that is no value of a secret. What another program may have chosen makes the
    /// record unreadable at worst.
    private func found(_ value: JSON) -> Found? {
        guard let seconds = value["CreatedDate"]?.double, (0..<1e11).contains(seconds),
            let version = value["VersionId"]?.text, (1...128).contains(version.utf8.count),
            let content = value["SecretString"] ?? value["SecretBinary"], content.string != nil || !content.isReadable
        else { return nil }
        guard version.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return .unreadable }
        guard let text = value["SecretString"]?.secret else {
            let binary = value["SecretBinary"]?.string.flatMap { Base64.bytes($0, limit: 2 * AWSDocument.maximumBytes) }
            return binary.flatMap(SealedBinary.item).map(Found.item) ?? .unreadable
        }
        let created = WallMilliseconds((seconds * 1000).rounded())
        return AWSDocument.item(text, version: AWSToken.version(ofVersionID: version), created: created).map(Found.item)
            ?? .unreadable
    }

    package func readMany(_ keys: [VaultKey], deadline: BootInstant) async -> [Result<VaultItem?, Failure>] {
        let wanted = keys.map { names.all($0.key) }
        let secrets = Set(wanted.joined())
        do throws(Failure) {
            let outcomes = try await during(deadline) { () async throws(Failure) in
                await self.values(of: secrets.sorted(), deadline)
            }
            let now = clock.wall
            return wanted.map { secrets in
                newest(of: secrets, outcomes, at: now).flatMap { found in
                    do throws(Failure) { return .success(try found.live(at: now, vault: name)) } catch {
                        return .failure(error)
                    }
                }
            }
        } catch {
            return keys.map { _ in .failure(error) }
        }
    }

    /// As `current(of:_:)`, of names that were asked for already.
    func newest(
        of secrets: [String], _ outcomes: [String: Result<Found, Failure>], at now: WallMilliseconds
    ) -> Result<Found, Failure> {
        let outcome = outcomes[secrets[0]] ?? .success(.absent)
        guard case .success(var newest) = outcome, names.prefersLiteral || newest.isAbsent(at: now) else { return outcome }
        for secret in secrets.dropFirst() {
            let outcome = outcomes[secret] ?? .success(.absent)
            guard case .success(let found) = outcome else { return outcome }
            if found.supersedes(newest, at: now) { newest = found }
        }
        return .success(newest)
    }

    /// An outcome for each of the names.
    func values(of secrets: [String], _ deadline: BootInstant) async -> [String: Result<Found, Failure>] {
        let chunks = stride(from: 0, to: secrets.count, by: Self.batchSize).map {
            Array(secrets[$0..<min($0 + Self.batchSize, secrets.count)])
        }
        return await withTaskGroup(of: [String: Result<Found, Failure>].self) { group in
            var waiting = chunks.makeIterator()
            for chunk in (0..<Self.callsAtOnce).compactMap({ _ in waiting.next() }) {
                group.addTask { await self.values(ofChunk: chunk, deadline) }
            }
            var all: [String: Result<Found, Failure>] = [:]
            for await some in group {
                all.merge(some) { $1 }
                if let chunk = waiting.next() { group.addTask { await self.values(ofChunk: chunk, deadline) } }
            }
            return all
        }
    }

    private func values(ofChunk secrets: [String], _ deadline: BootInstant) async -> [String: Result<Found, Failure>] {
        var outcomes: [String: Result<Found, Failure>] = [:]
        // One name is cheaper asked for alone, and needs fewer rights.
        if secrets.count > 1, !batchIsDenied.load(ordering: .relaxed) {
            do throws(AWSFault) {
                let answer = try await client.call(
                    "BatchGetSecretValue", .object([("SecretIdList", .array(secrets.map(JSON.string)))]),
                    deadline: deadline)
                outcomes = await answer.look { self.batch($0) }
            } catch {
                if case .refused(let refusal) = error, refusal.kind == .denied {
                    batchIsDenied.store(true, ordering: .relaxed)
                } else {
                    let failure = failure(error)
                    return Dictionary(uniqueKeysWithValues: secrets.map { ($0, .failure(failure)) })
                }
            }
        }
        // What the answer left out, for instance because it would have been too large.
        for secret in secrets where outcomes[secret] == nil {
            do throws(Failure) {
                outcomes[secret] = .success(try await current(named: secret, deadline))
            } catch {
                outcomes[secret] = .failure(error)
            }
        }
        return outcomes
    }

    /// Both lists of an answer: values, and secrets that could not be had.
    private func batch(_ answer: JSON) -> [String: Result<Found, Failure>] {
        var outcomes: [String: Result<Found, Failure>] = [:]
        for value in answer["SecretValues"]?.elements ?? [] {
            guard let secret = value["Name"]?.text else { continue }
            outcomes[secret] = found(value).map { .success($0) } ?? .failure(.awsGarbled(vault: name, writing: false))
        }
        for error in answer["Errors"]?.elements ?? [] {
            guard let secret = error["SecretId"]?.text else { continue }
            let kind = AWSRefusal.kind(
                name: error["ErrorCode"]?.text ?? "", message: error["Message"]?.string)
            outcomes[secret] =
                switch kind {
                case .notFound: .success(.absent)
                case .scheduled: .success(.scheduled)
                default:
                    .failure(.aws(AWSRefusal(kind: kind ?? .serverFault, status: 200), vault: name, writing: false))
                }
        }
        return outcomes
    }
}
