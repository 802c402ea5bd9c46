package import CofferCore
package import CofferVault
internal import CofferVaultKit
internal import CofferCrypto
internal import Synchronization

extension FlyVault {
    /// How long a read waits for the API's word on a write that the start left open.
    private static let longestWait = Duration.seconds(2)
    /// How long the API is not asked again after it gave none, and after one that left something open.
    private static let pause = Duration.seconds(5)
    private static let shortPause = Duration.seconds(1)

    /// What a secret is now, as far as this daemon knows.
    enum Found {
        case value(FlyValue)
        /// Neither the environment nor a write has it.
        case absent
        /// A Delete is the last that is known of it.
        case removed
        /// The file of the last write does not open.
        case damaged
    }

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        let secret = ByteText(names.name(of: key.key))
        return try await during(deadline) { () throws(Failure) in
            if self.isOpen(secret) { await self.askWhatIsOpen(deadline) }
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
            await self.askWhatIsOpen(deadline)
            var page = VaultPage(entries: [], next: nil)
            var last: String?
            for (secret, key) in self.records(of: user, beginning: start, after: after) {
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

    /// Secrets that are records, in order.
    private func records(
        of user: VaultUser?, beginning start: String, after: String?
    ) -> [(secret: ByteText, key: RecordKey)] {
        let all = state.withLock { Set($0.environment.keys).union($0.entries.keys) }
        let least = Array((after ?? "").utf8)
        return all.compactMap { secret -> (secret: ByteText, key: RecordKey)? in
            guard secret.text.utf8.starts(with: start.utf8), least.lexicographicallyPrecedes(secret.text.utf8),
                let key = names.key(ofName: secret.text), user?.id.hasSameBytes(as: key.user) ?? true
            else { return nil }
            return (secret, key)
        }.sorted { $0.secret.text.utf8.lexicographicallyPrecedes($1.secret.text.utf8) }
    }

    /// What is served of a secret.
    func found(_ secret: ByteText) -> Found {
        let path = files.path(secret)
        return state.withLock { state in
            if state.damaged.contains(path) { return .damaged }
            let environment = state.environment[secret]
            switch state.entries[secret]?.served(isInEnvironment: environment != nil) {
            case .value(let value): return .value(value)
            case .absent: return .removed
            case nil: return environment.map(Found.value) ?? .absent
            }
        }
    }

    /// As readers see it: what has expired is absent.
    private func live(_ found: Found, _ secret: ByteText) throws(Failure) -> VaultItem? {
        switch found {
        case .absent, .removed: return nil
        case .damaged: throw .flyDamaged(files.path(secret), vault: name)
        case .value(let value):
            guard let item = value.item else { throw .unreadable(vault: name) }
            return item.isLive(at: clock.wall) ? item : nil
        }
    }

    // MARK: What a start leaves open

    private func isOpen(_ secret: ByteText) -> Bool {
        state.withLock { $0.entries[secret]?.isOpen == true }
    }

    /// Asks the API once about all that is open, for all who want it. If it does not answer, all stays as it is for a while.
    private func askWhatIsOpen(_ deadline: BootInstant) async {
        guard let client else { return }
        let now = clock.boot
        let isWanted = state.withLock { $0.askAgain <= now && $0.entries.values.contains(where: \.isOpen) }
        guard isWanted else { return }
        let end = min(deadline, now + Self.longestWait)
        _ = await settling.outcome(by: end) { [self] () async -> Result<Void, Failure> in
            let last = clock.boot + Self.longestWait
            do throws(FlyFault) {
                await settle(by: try await client.list(since: 0, deadline: last), last)
                state.withLock { state in
                    if state.entries.values.contains(where: \.isOpen) { state.askAgain = clock.boot + Self.shortPause }
                }
                return .success(())
            } catch {
                state.withLock { $0.askAgain = clock.boot + Self.pause }
                return .failure(error.failure)
            }
        }
    }

    /// Settles what is open, and lets go of the files of what the environment has.
    func settle(by listing: FlyListing, _ deadline: BootInstant) async {
        let open = state.withLock { $0.entries.filter { $0.value.isOpen }.map(\.key) }
        for secret in open {
            // A write of the same secret settles it itself.
            try? await turns.during(secret, deadline: deadline) { () throws(Failure) in
                await self.settleOne(secret, by: listing, deadline)
            }
        }
    }

    /// It is the caller's turn.
    func settleOne(_ secret: ByteText, by listing: FlyListing, _ deadline: BootInstant) async {
        let settled = state.withLock { state -> FlyEntry? in
            guard var entry = state.entries[secret], entry.isOpen else { return nil }
            entry.settle(by: listing[secret], asked: listing.asked, isInEnvironment: state.environment[secret] != nil)
            state.entries[secret] = entry.isEmpty ? nil : entry
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
