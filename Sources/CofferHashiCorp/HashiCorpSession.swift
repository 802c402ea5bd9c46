internal import CofferCore
internal import CofferCrypto
internal import CofferVaultKit

/// The daemon's token: got, renewed before it expires, and replaced when it no
/// longer works.
///
/// However many calls want a token, one login is under way at a time.
actor HashiCorpSession {
    /// For a login, a look-up or a renewal.
    private static let loginTimeout = Duration.seconds(10)
    /// How long a refused login is not tried again.
    private static let loginBackoff = Duration.seconds(1)
    /// How often a token that never worked is replaced for a 403: a policy that forbids
    /// the look-up too is not to make every call a login.
    private static let minimumTokenAge = Duration.seconds(1)
    /// How long a token that the vault does not know is not asked about again.
    private static let rejectedTokenTTL = Duration.seconds(1)
    /// How often a token file is looked at.
    private static let fileAge = Duration.seconds(1)

    private let vault: String
    private let auth: HashiCorpOptions.Auth
    private let wire: HashiCorpWire
    private let logins: SharedWork<HashiCorpLease>
    private let probes: SharedWork<(number: Int, isDead: Bool)>

    private var current: HashiCorpLease?
    private var lastNumber = 0
    private var refusal: (failure: Failure, until: BootInstant)?
    private var dead: (number: Int, until: BootInstant)?
    private var fileReadAt: BootInstant?
    /// The token of the file that the vault no longer knows; 0 = none.
    private var rejectedNumber = 0
    /// Of the word in the file that the last login was made with.
    private var usedDigest: [UInt8]?
    /// When a token that had never worked was last replaced.
    private var reloginAt: BootInstant?
    private var renewal: Task<Void, Never>?
    private var isClosed = false

    private var dependencies: HashiCorpDependencies { wire.dependencies }
    private var now: BootInstant { dependencies.clock.boot }

    init(vault: String, auth: HashiCorpOptions.Auth, wire: HashiCorpWire) {
        self.vault = vault
        self.auth = auth
        self.wire = wire
        logins = SharedWork(clock: wire.dependencies.clock, sleep: wire.dependencies.sleep)
        probes = SharedWork(clock: wire.dependencies.clock, sleep: wire.dependencies.sleep)
    }

    func close() {
        isClosed = true
        renewal?.cancel()
        current = nil
    }

    // MARK: For calls

    /// A token that works, as far as is known.
    func lease(deadline: BootInstant) async throws(Failure) -> HashiCorpLease {
        guard !isClosed else { throw .closed(vault: vault) }
        switch auth {
        case .token(let token):
            if let current { return current }
            return try adopt(token)
        case .tokenFile(let path):
            if let current, let fileReadAt, now < fileReadAt + Self.fileAge { return current }
            do throws(Failure) {
                return try await readToken(path, deadline: deadline)
            } catch {
                // A file that is being written, or is gone, says nothing of the token that was in it.
                guard let current, current.number != rejectedNumber, error.code == .failedPrecondition else { throw error }
                fileReadAt = now
                return current
            }
        case .appRole, .kubernetes, .jwt:
            if let current, current.isUsable(at: now) { return current }
            return try await login(replacing: 0, deadline: deadline)
        }
    }

    /// The token to repeat a call with that was refused with a 403; nil if the
    /// refused one still lives, so that it is the policy that forbids.
    ///
    /// - Throws: UNAUTHENTICATED if there is no other token.
    func replacement(for number: Int, deadline: BootInstant) async throws(Failure) -> HashiCorpLease? {
        guard let refused = current, refused.number == number else { return try await lease(deadline: deadline) }
        guard try await isDead(refused, deadline: deadline) else { return nil }
        if let current, current.number != number { return current }
        switch auth {
        case .token: throw .hashiCorpLogin("the vault rejected the token (expired or revoked); issue a new one", vault)
        case .tokenFile(let path):
            rejectedNumber = number
            let lease = try await readToken(path, deadline: deadline)
            guard lease.number != number else {
                throw .hashiCorpLogin("\(path): the vault rejected this token (expired or revoked); put a new one there", vault)
            }
            return lease
        case .appRole, .kubernetes, .jwt:
            if !refused.use.hasWorked {
                if let reloginAt, now < reloginAt + Self.minimumTokenAge { return nil }
                reloginAt = now
            }
            return try await login(replacing: number, deadline: deadline)
        }
    }

    /// Whether the vault does not know the token any more.
    private func isDead(_ lease: HashiCorpLease, deadline: BootInstant) async throws(Failure) -> Bool {
        while true {
            // Else whoever is late, while a login is under way, asks once more.
            if let dead, dead.number == lease.number, now < dead.until { return true }
            let outcome = await probes.outcome(by: deadline) { await self.probe(lease) }
            guard let outcome else { throw Failure.deadlineExceeded(vault: vault).ofRead }
            let found = try outcome.get()
            // One that was under way for another token says nothing about this one.
            if found.number == lease.number { return found.isDead }
        }
    }

    private func probe(_ lease: HashiCorpLease) async -> Result<(number: Int, isDead: Bool), Failure> {
        do throws(Failure) {
            let answer = try await wire.exchange(
                HashiCorpLogin.lookup, token: lease.token, deadline: now + Self.loginTimeout)
            guard answer.isSuccess || answer.status == 403 else {
                throw .hashiCorp(answer, .read, vault: vault)
            }
            if answer.status == 403 { dead = (lease.number, now + Self.rejectedTokenTTL) }
            return .success((lease.number, answer.status == 403))
        } catch {
            return .failure(error)
        }
    }

    // MARK: Reloads

    /// Reads the file that the session logs in with again, and logs in with what is new in it.
    ///
    /// - Returns: whether there is another token than before.
    /// - Throws: why there is none; the one before stays in use.
    func reload(deadline: BootInstant) async throws(Failure) -> Bool {
        // Whatever has changed, a login is worth trying.
        refusal = nil
        guard !isClosed, let before = current else { return false }
        switch auth {
        case .token: return false
        case .tokenFile(let path):
            return try await readToken(path, deadline: deadline).number != before.number
        case .appRole, .kubernetes, .jwt:
            guard let file = HashiCorpLogin.file(auth) else { return false }
            let word = try await HashiCorpLogin.word(in: file, dependencies, vault: vault, deadline: deadline)
            let digest = Digest.sha256(word)
            // A login that was under way had read the file before.
            for _ in 0..<2 where usedDigest != digest {
                _ = try await login(replacing: current?.number ?? 0, deadline: deadline)
            }
            return current?.number != before.number
        }
    }

    // MARK: Tokens that are given

    private func adopt(_ token: Secret) throws(Failure) -> HashiCorpLease {
        guard HashiCorpLogin.isHeaderValue(token) else {
            throw .hashiCorpSetUp(
                "the token is no token: expected 1 to \(HashiCorpLogin.maximumBytes) visible ASCII characters", vault)
        }
        let lease = take(token, .forever)
        renewal = Task { await self.learnLife(of: lease) }
        return lease
    }

    private func learnLife(of lease: HashiCorpLease) async {
        let answer = try? await wire.exchange(HashiCorpLogin.lookup, token: lease.token, deadline: now + Self.loginTimeout)
        guard !isClosed, current?.number == lease.number, let grant = answer.flatMap(HashiCorpLogin.remaining),
            grant.isRenewable
        else { return }
        current = HashiCorpLease(
            token: lease.token, number: lease.number, use: lease.use, grant: grant, now: now)
        scheduleRenewal(in: grant.seconds)
    }

    private func readToken(_ path: String, deadline: BootInstant) async throws(Failure) -> HashiCorpLease {
        let token: Secret
        do throws(Failure) {
            token = try await HashiCorpLogin.word(in: .init(path), dependencies, vault: vault, deadline: deadline)
        } catch {
            // What the vault has said of the last token holds until there is another.
            guard let current, current.number == rejectedNumber, error.code == .failedPrecondition else { throw error }
            throw .hashiCorpLogin("the vault rejected the token that was in the file (expired or revoked); \(error.message)", vault)
        }
        guard !isClosed else { throw .closed(vault: vault) }
        fileReadAt = now
        if let current, current.token.isEqual(to: token) { return current }
        return take(token, .forever)
    }

    private func take(_ token: Secret, _ grant: HashiCorpGrant) -> HashiCorpLease {
        lastNumber += 1
        let lease = HashiCorpLease(token: token, number: lastNumber, grant: grant, now: now)
        current = lease
        return lease
    }

    // MARK: Logins

    /// - Parameter number: of the token that no longer works; 0 = none.
    private func login(replacing number: Int, deadline: BootInstant) async throws(Failure) -> HashiCorpLease {
        let outcome = await logins.outcome(by: deadline) { await self.logIn(replacing: number) }
        guard let outcome else {
            guard !Task.isCancelled else {
                throw .hashiCorpCancelled(vault)
            }
            throw .notBegun(vault: vault)
        }
        return try outcome.get()
    }

    private func logIn(replacing number: Int) async -> Result<HashiCorpLease, Failure> {
        // Another login may have ended between the caller's look and this one.
        if let current, current.number != number, current.isUsable(at: now) { return .success(current) }
        if let refusal, now < refusal.until { return .failure(refusal.failure.remembered) }
        do throws(Failure) {
            let (token, grant) = try await askForToken()
            guard !isClosed else { throw .closed(vault: vault) }
            refusal = nil
            let lease = take(token, grant)
            scheduleRenewal(in: grant.seconds)
            return .success(lease)
        } catch {
            refusal = (error, now + Self.loginBackoff * (error.code == .unauthenticated ? 1 : 0.2))
            return .failure(error)
        }
    }

    private func askForToken() async throws(Failure) -> (Secret, HashiCorpGrant) {
        let deadline = now + Self.loginTimeout
        let word = try await HashiCorpLogin.word(of: auth, dependencies: dependencies, vault: vault, deadline: deadline)
        guard let call = try HashiCorpLogin.call(auth, word) else {
            throw .internalError("a token that is given was asked for by a login")
        }
        let answer: HashiCorpAnswer
        do throws(Failure) {
            answer = try await wire.exchange(call, token: nil, deadline: now + Self.loginTimeout)
        } catch {
            throw once(error)
        }
        guard answer.isSuccess else { throw once(.hashiCorp(answer, .login, vault: vault)) }
        guard let found = HashiCorpLogin.grant(in: answer) else { throw .hashiCorpGarbled(.login, vault) }
        usedDigest = word.map { Digest.sha256($0) }
        return found
    }

    /// A secret id may be good for one login only, and one that may have come
    /// about is not repeated for the same call.
    private func once(_ failure: Failure) -> Failure {
        guard case .appRole = auth, !failure.isUnsent, failure.code != .resourceExhausted else { return failure }
        var failure = failure
        failure.retryable = false
        return failure
    }

    // MARK: Renewals

    private func scheduleRenewal(in seconds: Int64) {
        renewal?.cancel()
        guard seconds > 0, !isClosed, let number = current?.number else { return }
        schedule(.milliseconds(Int64(Double(seconds) * 2000 / 3 * dependencies.jitter(from: 0.85))), number)
    }

    private func schedule(_ pause: Duration, _ number: Int) {
        let dependencies = dependencies
        renewal = Task { [weak self] in
            guard (try? await dependencies.sleep(pause)) != nil else { return }
            await self?.renew(number)
        }
    }

    private func renew(_ number: Int) async {
        guard let lease = current, lease.number == number, !isClosed else { return }
        if lease.isRenewable, let grant = await renewed(lease), current?.number == number {
            current?.until = grant.until(now)
            current?.isRenewable = grant.isRenewable
            // One that shrinks comes to its end, whatever is asked for.
            if grant.seconds >= lease.seconds { return scheduleRenewal(in: grant.seconds) }
        }
        guard canLogIn, !isClosed, current?.number == number else { return keepTrying(number) }
        if (try? await login(replacing: number, deadline: now + Self.loginTimeout)) == nil { keepTrying(number) }
    }

    private func renewed(_ lease: HashiCorpLease) async -> HashiCorpGrant? {
        let call = HashiCorpLogin.renewal(seconds: lease.seconds)
        let answer = try? await wire.exchange(call, token: lease.token, deadline: now + Self.loginTimeout)
        return answer.flatMap { HashiCorpLogin.grant(in: $0)?.grant }
    }

    /// Again in a third of what is left; calls log in themselves once nothing is.
    private func keepTrying(_ number: Int) {
        guard !isClosed, let lease = current, lease.number == number, let until = lease.until, now < until else {
            return
        }
        let left = Int64(until.milliseconds(since: now))
        guard left > 100 else { return }
        schedule(.milliseconds(max(100, min(left / 3, 30_000))), number)
    }

    private var canLogIn: Bool {
        switch auth {
        case .token, .tokenFile: false
        case .appRole, .kubernetes, .jwt: true
        }
    }
}
