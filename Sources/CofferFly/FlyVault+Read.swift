package import CofferCore
package import CofferVault
internal import CofferVaultKit
internal import CofferCrypto
internal import Synchronization

extension FlyVault {
    /// How long a read waits for the API's word on a write that the start left open.
    private static let longestWait = Duration.seconds(2)
    /// How long the API is not asked again after it gave none.
    private static let pause = Duration.seconds(5)
    /// The same after it gave one.
    private static let shortPause = Duration.seconds(1)

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        let secret = ByteText(names.name(of: key.key))
        return try await during(deadline) { () throws(Failure) in
            await self.askWhatIsOpen(deadline) { $0.isUncertain(secret) }
            return try self.live(self.found(secret), secret)
        }
    }

    /// A page in the order of the names' bytes.
    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        let start = user.map { names.userPrefix($0.id) } ?? FlyNames.prefix
        let after = try cursor.map { bytes throws(Failure) in try FlyCursor(bytes, listing: start).lastName }
        return try await during(deadline) { () throws(Failure) in
            await self.askWhatIsOpen(deadline) { $0.isListingUncertain }
            var page = VaultPage(entries: [], next: nil)
            var last: String?
            for secret in self.state.withLock({ $0.names(from: start, after: after) }) {
                guard secret.text.utf8.starts(with: start.utf8) else { break }
                guard let key = self.names.key(ofName: secret.text), user?.id.hasSameBytes(as: key.user) ?? true
                else { continue }
                // Whether there is another one is known before the page is full only.
                if page.entries.count == limit {
                    page.next = last.map { FlyCursor(lastName: $0).bytes(listing: start) }
                    break
                }
                last = secret.text
                do throws(Failure) {
                    guard let item = try self.live(self.found(secret), secret) else { continue }
                    page.entries.append(VaultPage.Entry(name: .key(key), item: item))
                } catch {
                    page.entries.append(VaultPage.Entry(name: .key(key), failure: error))
                }
            }
            return page
        }
    }

    /// What is served of a secret.
    func found(_ secret: ByteText) -> FlyState.Found { state.withLock { $0.found(secret, path: files.path) } }

    /// As readers see it: what has expired is absent.
    private func live(_ found: FlyState.Found, _ secret: ByteText) throws(Failure) -> VaultItem? {
        switch found {
        case .absent, .removed: return nil
        case .damaged: throw .flyDamaged(files.path(secret), vault: name)
        case .value(let value):
            guard let item = value.item else { throw .unreadable(vault: name) }
            return item.isLive(at: clock.wall) ? item : nil
        }
    }

    // MARK: What a start leaves open

    /// Asks the API once about all that is open, for all who want it. If it does not answer, all stays as it is for a while.
    ///
    /// - Parameter isWanted: what the caller is after is open.
    private func askWhatIsOpen(_ deadline: BootInstant, _ isWanted: (FlyState) -> Bool) async {
        guard let client else { return }
        let now = clock.boot
        guard state.withLock({ isWanted($0) && $0.askAgain <= now }) else { return }
        let end = min(deadline, now + Self.longestWait)
        _ = await settling.outcome(by: end) { [self] () async -> Result<Void, Failure> in
            do throws(FlyFault) {
                try await settle(client, clock.boot + Self.longestWait)
                // What a write is just being made of is still open.
                state.withLock { $0.askAgain = clock.boot + Self.shortPause }
                return .success(())
            } catch {
                state.withLock { $0.askAgain = clock.boot + Self.pause }
                return .failure(error.failure)
            }
        }
    }

    /// The app's secrets, by an answer that knows of all that was acknowledged here.
    func listing(_ client: FlyClient, _ deadline: BootInstant) async throws(FlyFault) -> FlyListing {
        let version = state.withLock { $0.version }
        do throws(FlyFault) {
            return try await client.list(since: version, deadline: deadline)
        } catch {
            guard case .refused(status: 412, _) = error else { throw error }
            throw .refused(status: 412, .flyBehind(version, app: client.app, folder: files.folder, vault: name))
        }
    }

    /// Settles all that is open by what the API has now.
    func settle(_ client: FlyClient, _ deadline: BootInstant) async throws(FlyFault) {
        let listing = try await listing(client, deadline)
        await nameDamaged(by: listing)
        let open = state.withLock { $0.open }
        for secret in open {
            // A write of the same secret settles it itself.
            try? await turns.during(secret, deadline: deadline) { () throws(Failure) in
                await self.settleOne(secret, by: listing, deadline)
            }
        }
    }

    /// The API has told which secrets there are: those whose files do not open get names.
    private func nameDamaged(by listing: FlyListing) async {
        let missing = state.withLock { state -> (damaged: Set<String>, searched: Set<ByteText>)? in
            if state.hasUnnamed { return (state.damaged, state.searched) }
            state.noteThatAllIsNamed()
            return nil
        }
        guard let (damaged, searched) = missing else { return }
        let files = files
        // Hashing a name takes longer than a reactor may be kept, if there are many. Readers need the state meanwhile.
        let (found, all) = await LargeAnswer.look(at: listing.secrets.count * Self.bytesOfOneName) {
            let names = Set(listing.secrets.keys)
            return (names.filter { !searched.contains($0) && damaged.contains(files.path($0)) }, names)
        }
        // A Store may have replaced a file meanwhile.
        let paths = found.map { ($0, files.path($0)) }
        state.withLock { state in
            state.name(paths.filter { state.damaged.contains($0.1) }.map(\.0), searched: all)
        }
    }

    /// What a name in a list costs, in bytes of an answer that are parsed in that time. A choice.
    private static let bytesOfOneName = 128

    /// It is the caller's turn.
    func settleOne(_ secret: ByteText, by listing: FlyListing, _ deadline: BootInstant) async {
        let settled = state.withLock { state -> FlyEntry? in
            guard state.open.contains(secret), var entry = state.entries[secret], let current = entry.current else { return nil }
            entry.settle(
                by: listing[secret], environment: state.fingerprint(secret), machine: machine,
                isBrought: deployment?.hasBrought(current.version) ?? true)
            state.set(entry, of: secret)
            return entry
        }
        // If the disk does not take it now, the next start settles it again.
        if let settled { try? await files.save(settled, of: secret, deadline: deadline) }
    }
}

/// Where a page ended, bound to the listing that it is of.
struct FlyCursor {
    private static let mark = Array("fly1".utf8)
    /// The longest name that two ids make.
    private static let maximumBytes = FlyNames.prefix.utf8.count + 2 * 4 * RecordKey.maximumIDBytes + 1

    let lastName: String

    init(lastName: String) { self.lastName = lastName }

    /// - Throws: INVALID_ARGUMENT for bytes that no page of this listing ended with.
    init(_ bytes: [UInt8], listing: String) throws(Failure) {
        let head = Self.mark + Self.digest(listing)
        guard bytes.starts(with: head), let name = String(validating: bytes.dropFirst(head.count), as: UTF8.self),
            name.utf8.starts(with: listing.utf8), name.utf8.count <= Self.maximumBytes
        else {
            throw .badField("page_token", "was not issued by this vault for this listing; start from the first page")
        }
        lastName = name
    }

    func bytes(listing: String) -> [UInt8] { Self.mark + Self.digest(listing) + Array(lastName.utf8) }

    private static func digest(_ listing: String) -> [UInt8] { Array(Digest.sha256(Array(listing.utf8)).prefix(8)) }
}
