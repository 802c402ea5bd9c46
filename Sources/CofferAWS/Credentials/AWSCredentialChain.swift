internal import CofferCore
internal import CofferVaultKit
internal import Synchronization

/// The credentials to sign with, found once and kept, and replaced before they
/// expire: from 15 minutes before in the background, from 10 minutes before with
/// everybody waiting, or from the last quarter and sixth of a shorter life.
final class AWSCredentialChain: Sendable {
    /// How long one search may take.
    static let longestSearch = Duration.seconds(30)
    /// How long a call waits for others while those that are held are still good.
    static let longestWait = Duration.seconds(1)
    /// How long a search that failed is not made again while none are held: when a source refused, and when it failed.
    static let refusalPause = Duration.seconds(1)
    static let failurePause = Duration.milliseconds(200)
    /// Between two searches while the credentials that are held still do.
    static let pause = Duration.seconds(30)
    /// Before credentials that had expired when they came are replaced.
    static let stalePause = Duration.seconds(15 * 60)

    private struct Held {
        let credentials: AWSCredentials
        let advisory: WallMilliseconds
        let mandatory: WallMilliseconds
        /// They had expired when they came. The service decides then.
        let isStale: Bool
    }

    private struct State {
        var held: Held?
        /// No search before that, as long as what is held does.
        var next = BootInstant(nanoseconds: 0)
        /// What the last search failed with, and until when it stands for others.
        var refusal: (failure: Failure, until: BootInstant)?
    }

    private let find: @Sendable (BootInstant) async throws(Failure) -> AWSCredentials
    private let clock: AWSClock
    private let vault: String
    private let state = Mutex(State())
    private let search: SharedWork<AWSCredentials>

    init(
        clock: AWSClock, vault: String, find: @escaping @Sendable (BootInstant) async throws(Failure) -> AWSCredentials
    ) {
        self.clock = clock
        self.vault = vault
        self.find = find
        search = SharedWork(clock: clock.host)
    }

    /// Credentials that are good as far as is known here.
    func credentials(deadline: BootInstant) async throws(Failure) -> AWSCredentials {
        enum Step {
            case use(AWSCredentials)
            /// And look for others in the background.
            case refresh(AWSCredentials)
            case wait
        }
        let (now, boot) = (clock.now, clock.boot)
        let step: Step = state.withLock { state in
            guard let held = state.held else { return .wait }
            if now < held.advisory { return .use(held.credentials) }
            if boot < state.next, held.isStale || now < held.credentials.expiresAt ?? .max {
                return .use(held.credentials)
            }
            return now < held.mandatory ? .refresh(held.credentials) : .wait
        }
        switch step {
        case .use(let credentials): return credentials
        case .refresh(let credentials):
            search.begin { await self.look() }
            return credentials
        case .wait: return try await found(by: deadline)
        }
    }

    /// Others than these, which the service says have expired.
    func replacement(
        for rejected: AWSCredentials, deadline: BootInstant
    ) async throws(Failure) -> AWSCredentials {
        let held = state.withLock { state -> AWSCredentials? in
            if let held = state.held, !held.credentials.isSame(as: rejected) { return held.credentials }
            state.held = nil
            return nil
        }
        if let held { return held }
        return try await found(by: deadline)
    }

    /// Searches again if credentials were found before. The current ones stay in use until others are found.
    ///
    /// - Returns: whether there are others.
    /// - Throws: why none were found.
    func reload(deadline: BootInstant) async throws(Failure) -> Bool {
        guard let before = askAgain() else { return false }
        if search.isUnderWay {
            // It may have read the sources before they changed.
            _ = try await outcome(by: deadline)
            _ = askAgain()
        }
        return !(try await outcome(by: deadline).get()).isSame(as: before)
    }

    /// The next search takes place although these are good, and nobody waits for it.
    ///
    /// - Returns: the current credentials; nil if none were found yet.
    private func askAgain() -> AWSCredentials? {
        state.withLock { state in
            state.refusal = nil
            guard let held = state.held else { return nil }
            state.held = Held(
                credentials: held.credentials, advisory: 0, mandatory: held.mandatory, isStale: held.isStale)
            return held.credentials
        }
    }

    /// Ends a search that is under way.
    func close() { search.cancel() }

    private func look() async -> Result<AWSCredentials, Failure> {
        // Another search may have ended between the caller's look and this one.
        if let known = known() { return known }
        do throws(Failure) {
            let found = try await find(clock.boot + Self.longestSearch)
            keep(found)
            return .success(found)
        } catch {
            let boot = clock.boot
            state.withLock { state in
                state.next = boot + Self.pause
                state.refusal = (error, boot + (error.code == .unauthenticated ? Self.refusalPause : Self.failurePause))
            }
            return .failure(error)
        }
    }

    /// What need not be looked for: fresh credentials, or why there were none a moment ago.
    private func known() -> Result<AWSCredentials, Failure>? {
        let (now, boot) = (clock.now, clock.boot)
        return state.withLock { state in
            if let held = state.held {
                if now < held.advisory { return .success(held.credentials) }
                if now < held.credentials.expiresAt ?? .max { return nil }
            }
            guard let refusal = state.refusal, boot < refusal.until else { return nil }
            return .failure(refusal.failure.remembered)
        }
    }

    private func keep(_ found: AWSCredentials) {
        let (now, boot) = (clock.now, clock.boot)
        state.withLock { state in
            state.refusal = nil
            guard let expires = found.expiresAt else {
                state.held = Held(credentials: found, advisory: .max, mandatory: .max, isStale: false)
                return
            }
            let life = expires > now ? expires - now : 0
            state.held = Held(
                credentials: found, advisory: expires - min(15 * 60_000, life / 4),
                mandatory: expires - min(10 * 60_000, life / 6), isStale: life == 0)
            state.next = life == 0 ? boot + Self.stalePause : boot
        }
    }

    /// A source that fails or hangs does no harm before what it gave has expired.
    private func found(by deadline: BootInstant) async throws(Failure) -> AWSCredentials {
        let end = liveCredentials() == nil ? deadline : min(deadline, clock.boot + Self.longestWait)
        do throws(Failure) {
            return try await outcome(by: end).get()
        } catch {
            guard !Task.isCancelled, let credentials = liveCredentials() else { throw error }
            // The search goes on, and others need not wait for it too.
            let next = clock.boot + Self.pause
            state.withLock { $0.next = next }
            return credentials
        }
    }

    private func liveCredentials() -> AWSCredentials? {
        let now = clock.now
        return state.withLock { state in
            state.held.flatMap { now < $0.credentials.expiresAt ?? .max ? $0.credentials : nil }
        }
    }

    /// Of the search that is under way, or of a new one.
    private func outcome(by deadline: BootInstant) async throws(Failure) -> Result<AWSCredentials, Failure> {
        guard let result = await search.outcome(by: deadline, { await self.look() }) else {
            if Task.isCancelled {
                throw Failure(.cancelled, .cancelled, "the call was cancelled", vault: vault, isUnsent: true)
            }
            throw Failure(
                .deadlineExceeded, .deadline,
                "AWS credentials: the source did not answer within the time given; nothing was done",
                vault: vault, retryable: true, isUnsent: true)
        }
        return result
    }
}
