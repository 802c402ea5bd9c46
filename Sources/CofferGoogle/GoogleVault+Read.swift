package import CofferCore
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

extension GoogleVault {
    /// What is under a name now.
    enum Found {
        /// No secret, or one without a version.
        case absent
        case item(VaultItem, number: UInt64)
        /// Something is there that is no record.
        case unreadable(number: UInt64)
        /// The newest version is disabled or destroyed.
        case blocked(GoogleVersion)

        /// The newest version; nil = there is none.
        var number: UInt64? {
            switch self {
            case .absent: nil
            case .item(_, let number), .unreadable(let number): number
            case .blocked(let version): version.number
            }
        }

        /// As readers see it: what has expired is absent.
        func live(at now: WallMilliseconds, vault: String) throws(Failure) -> VaultItem? {
            switch self {
            case .absent: nil
            case .item(let item, _): item.isLive(at: now) ? item : nil
            case .unreadable: throw .unreadable(vault: vault)
            case .blocked(let version): throw .googleVersion(version.state, vault: vault)
            }
        }
    }

    /// The payload of a version.
    struct Payload: Sendable {
        let number: UInt64
        /// Nil for bytes that are not base64.
        let bytes: Secret?
        let checksum: UInt32
    }

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        let secret = names.name(of: key.key)
        return try await during(deadline) { () throws(Failure) in
            let found = try await self.current(secret, deadline)
            // A Store elsewhere destroys versions before its own, and "latest" may lead to one of them for a moment.
            if case .blocked(let version) = found, version.state == .destroyed,
                try await self.describe("\(version.number &+ 1)", of: secret, deadline) != nil
            {
                throw .googleBehind(vault: self.name)
            }
            return try found.live(at: self.clock.wall, vault: self.name)
        }
    }

    /// "latest" may be behind a version that was just added, which its number finds at once.
    func current(_ secret: String, _ deadline: BootInstant) async throws(Failure) -> Found {
        let found = try await shown(secret, deadline)
        guard let written = memory.lastWrite(secret, now: clock.boot), found.number ?? 0 < written else { return found }
        let exact = try await self.found(try await version("\(written)", of: secret, deadline), of: secret, deadline)
        guard case .item = exact else {
            // It was deleted, perhaps made again, by somebody else.
            memory.forget(secret)
            return found
        }
        return exact
    }

    /// What "latest" leads to. After a removal that may be the version that was removed: a text has no order by which
    /// others could tell that it is older.
    private func shown(_ secret: String, _ deadline: BootInstant) async throws(Failure) -> Found {
        let found = try await found(try await version("latest", of: secret, deadline), of: secret, deadline)
        if case .item(let item, _) = found, memory.isRemoved(item.version, of: secret, now: clock.boot) { return .absent }
        return found
    }

    /// An answer to a version's access.
    enum Access {
        case absent
        case payload(Payload)
        case blocked(GoogleVersion)
    }

    /// - Parameter version: "latest", or a number.
    func version(_ version: String, of secret: String, _ deadline: BootInstant) async throws(Failure) -> Access {
        do throws(GoogleFault) {
            return .payload(try await access(version, of: secret, deadline))
        } catch {
            guard case .refused(let refusal) = error else { throw failure(error) }
            switch refusal.kind {
            case .notFound: return .absent
            case .precondition:
                guard let described = try await describe(version, of: secret, deadline) else { return .absent }
                guard described.state == .enabled else { return .blocked(described) }
                // It was enabled, or "latest" is another one, since.
                do throws(GoogleFault) {
                    return .payload(try await access("\(described.number)", of: secret, deadline))
                } catch {
                    throw failure(error)
                }
            default: throw failure(error)
            }
        }
    }

    private func access(
        _ version: String, of secret: String, _ deadline: BootInstant
    ) async throws(GoogleFault) -> Payload {
        let answer = try await client.call(.get, "\(path(of: secret))/versions/\(version):access", deadline: deadline)
        switch await answer.look({ self.payload(in: $0) }) {
        case .success(let payload): return payload
        case .failure(let failure): throw .failed(failure)
        }
    }

    private func payload(in answer: JSON) -> Result<Payload, Failure> {
        guard let number = GoogleVersion.number(ofName: answer["name"]?.text), let payload = answer["payload"],
            payload.members != nil || !payload.isReadable
        else { return .failure(.googleGarbled(vault: name, writing: false)) }
        let bytes = payload["data"]?.string.flatMap { Base64.bytes($0, limit: 2 * GoogleDocument.maximumBytes) }
        let checksum = bytes.map(CRC32C.checksum) ?? 0
        // 64 bits are texts in the service's JSON. Versions from before the service had checksums have none.
        if let sent = payload["dataCrc32c"], bytes != nil {
            guard (sent.text.flatMap { Int64($0) } ?? sent.integer) == Int64(checksum) else {
                return .failure(.googleDamaged(vault: name))
            }
        }
        return .success(Payload(number: number, bytes: bytes, checksum: checksum))
    }

    /// Nil if there is none.
    private func describe(
        _ version: String, of secret: String, _ deadline: BootInstant
    ) async throws(Failure) -> GoogleVersion? {
        do throws(GoogleFault) {
            let answer = try await client.call(.get, "\(path(of: secret))/versions/\(version)", deadline: deadline)
            guard let described = GoogleVersion(answer.json) else {
                throw .failed(.googleGarbled(vault: name, writing: false))
            }
            return described
        } catch {
            if case .refused(let refusal) = error, refusal.kind == .notFound { return nil }
            throw failure(error)
        }
    }

    /// What another program may have chosen makes the record unreadable at worst.
    private func found(_ access: Access, of secret: String, _ deadline: BootInstant) async throws(Failure) -> Found {
        let payload: Payload
        switch access {
        case .absent: return .absent
        case .blocked(let version): return .blocked(version)
        case .payload(let found): payload = found
        }
        // As large as the answer that it came in, but for a quarter.
        let content = await LargeAnswer.look(at: (payload.bytes?.count ?? 0) / 3 * 4) {
            payload.bytes.flatMap(GoogleDocument.content)
        }
        guard let content else {
            return .unreadable(number: payload.number)
        }
        if case .sealed(let item) = content { return .item(item, number: payload.number) }
        // Neither has times of its own; the service tells them apart from the payload.
        guard let times = try await times(of: payload, secret, deadline) else { return .absent }
        switch content {
        case .sealed(let item): return .item(item, number: payload.number)
        case .undated(let sealed):
            let item = GoogleDocument.item(
                sealed, created: sealed.created ?? times.created, updated: sealed.updated ?? times.written)
            return .item(item, number: payload.number)
        case .text(let text):
            return .item(
                VaultItem(
                    payload: .text(text), version: GoogleVersion.text(number: payload.number, created: times.created),
                    createdAt: times.written, updatedAt: times.written, expiresAt: 0),
                number: payload.number)
        }
    }

    /// Asked once for each version, as they never change.
    ///
    /// - Returns: nil if the version is gone by now.
    private func times(
        of payload: Payload, _ secret: String, _ deadline: BootInstant
    ) async throws(Failure) -> GoogleMemory.Times? {
        let key = GoogleMemory.VersionKey(secret: secret, number: payload.number, checksum: payload.checksum)
        if let known = memory.times(of: key) { return known }
        guard let version = try await describe("\(payload.number)", of: secret, deadline) else { return nil }
        guard let created = version.created else { throw .googleGarbled(vault: name, writing: false) }
        let times = GoogleMemory.Times(created: created, written: created)
        memory.note(times, of: key)
        return times
    }
}
