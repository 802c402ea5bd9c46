internal import CofferCore
internal import CofferVaultKit
internal import Synchronization

/// A bearer token for Google's services.
struct GoogleToken: Sendable {
    /// The header: "Bearer …".
    let authorization: Secret
    let expiresAt: WallMilliseconds
    /// The project that calls with it are counted for, as the credentials name it.
    let quotaProject: String?

    /// - Parameter seconds: that the token still lives.
    /// - Returns: nil for what cannot stand in a header.
    init?(_ token: Secret?, seconds: Int64?, quotaProject: String? = nil, now: WallMilliseconds) {
        guard let seconds, (0...86_400).contains(seconds) else { return nil }
        self.init(token, expiresAt: now + UInt64(seconds) * 1_000, quotaProject: quotaProject)
    }

    init?(_ token: Secret?, expiresAt: WallMilliseconds, quotaProject: String? = nil) {
        guard let token, (1...16_384).contains(token.count), token.isHeaderValue(allowsBlanks: false) else { return nil }
        authorization = SecretWriter.build(count: 7 + token.count) { writer in
            writer.append("Bearer ")
            writer.append(token)
        }
        self.expiresAt = expiresAt
        self.quotaProject = quotaProject
    }

    func isSame(as other: GoogleToken) -> Bool { authorization.isEqual(to: other.authorization) }
}

/// The token to call with, fetched once and kept, and replaced before it expires: in the background from 225 seconds
/// before, as Google's own programs do, and with everybody waiting in the last minute; of a shorter life in its last
/// quarter and sixth.
final class GoogleTokens: Sendable {
    /// google-auth's REFRESH_THRESHOLD. The metadata server gives the same token until five minutes before its end.
    static let advisory: UInt64 = 225_000
    static let mandatory: UInt64 = 60_000
    /// How long one login may take.
    static let longestLogin = Duration.seconds(30)
    /// How long a call waits for another token while the one that is held is still good.
    static let longestWait = Duration.seconds(1)
    /// How long a login that failed is not tried again while no token is held: when the credentials were refused, and
    /// when their source failed.
    static let refusalPause = Duration.seconds(1)
    static let failurePause = Duration.milliseconds(200)
    /// Between two logins while the token that is held still does.
    static let pause = Duration.seconds(30)

    private struct Held {
        let token: GoogleToken
        let advisory: WallMilliseconds
        let mandatory: WallMilliseconds
    }

    private struct State {
        var held: Held?
        /// No login before that, as long as what is held does.
        var next = BootInstant(nanoseconds: 0)
        /// What the last login failed with, and until when it stands for others.
        var refusal: (failure: Failure, until: BootInstant)?
    }

    private let login: @Sendable (BootInstant) async throws(Failure) -> GoogleToken
    private let clock: any Clock
    private let vault: String
    private let state = Mutex(State())
    private let shared: SharedWork<GoogleToken>

    init(
        clock: any Clock, vault: String, login: @escaping @Sendable (BootInstant) async throws(Failure) -> GoogleToken
    ) {
        self.clock = clock
        self.vault = vault
        self.login = login
        shared = SharedWork(clock: clock)
    }

    /// A token that is good as far as is known here.
    func token(deadline: BootInstant) async throws(Failure) -> GoogleToken {
        enum Step {
            case use(GoogleToken)
            /// And fetch another one in the background.
            case refresh(GoogleToken)
            case wait
        }
        let (now, boot) = (clock.wall, clock.boot)
        let step: Step = state.withLock { state in
            guard let held = state.held else { return .wait }
            if now < held.advisory { return .use(held.token) }
            if boot < state.next, now < held.token.expiresAt { return .use(held.token) }
            return now < held.mandatory ? .refresh(held.token) : .wait
        }
        switch step {
        case .use(let token): return token
        case .refresh(let token):
            shared.begin { await self.fetch() }
            return token
        case .wait: return try await fetched(by: deadline)
        }
    }

    /// Another one than this, which the service does not accept.
    func replacement(for rejected: GoogleToken, deadline: BootInstant) async throws(Failure) -> GoogleToken {
        let held = state.withLock { state -> GoogleToken? in
            if let held = state.held, !held.token.isSame(as: rejected) { return held.token }
            state.held = nil
            return nil
        }
        if let held { return held }
        return try await fetched(by: deadline)
    }

    /// Logs in again if there was a login before. The current token stays in use until there is another one.
    ///
    /// - Returns: whether there is another one.
    /// - Throws: why there is none.
    func reload(deadline: BootInstant) async throws(Failure) -> Bool {
        guard let before = askAgain() else { return false }
        if shared.isUnderWay {
            // It may have read the files before they changed.
            _ = try await outcome(by: deadline)
            _ = askAgain()
        }
        return !(try await outcome(by: deadline).get()).isSame(as: before)
    }

    /// The next login takes place although the token is good, and nobody waits for it.
    ///
    /// - Returns: the current token; nil if there was no login yet.
    private func askAgain() -> GoogleToken? {
        state.withLock { state in
            state.refusal = nil
            guard let held = state.held else { return nil }
            state.held = Held(token: held.token, advisory: 0, mandatory: held.mandatory)
            return held.token
        }
    }

    /// Ends a login that is under way.
    func close() { shared.cancel() }

    private func fetch() async -> Result<GoogleToken, Failure> {
        // Another login may have ended between the caller's look and this one.
        if let known = known() { return known }
        do throws(Failure) {
            let token = try await login(clock.boot + Self.longestLogin)
            keep(token)
            return .success(token)
        } catch {
            let boot = clock.boot
            state.withLock { state in
                state.next = boot + Self.pause
                state.refusal = (error, boot + (error.code == .unauthenticated ? Self.refusalPause : Self.failurePause))
            }
            return .failure(error)
        }
    }

    /// What need not be asked for: a fresh token, or why there was none a moment ago.
    private func known() -> Result<GoogleToken, Failure>? {
        let (now, boot) = (clock.wall, clock.boot)
        return state.withLock { state in
            if let held = state.held {
                if now < held.advisory { return .success(held.token) }
                if now < held.token.expiresAt { return nil }
            }
            guard let refusal = state.refusal, boot < refusal.until else { return nil }
            return .failure(refusal.failure.remembered)
        }
    }

    private func keep(_ token: GoogleToken) {
        let (now, boot) = (clock.wall, clock.boot)
        state.withLock { state in
            state.refusal = nil
            let life = token.expiresAt > now ? token.expiresAt - now : 0
            state.held = Held(
                token: token, advisory: token.expiresAt - min(Self.advisory, life / 4),
                mandatory: token.expiresAt - min(Self.mandatory, life / 6))
            state.next = boot
        }
    }

    /// A source that fails or hangs does no harm before what it gave has expired.
    private func fetched(by deadline: BootInstant) async throws(Failure) -> GoogleToken {
        let end = liveToken() == nil ? deadline : min(deadline, clock.boot + Self.longestWait)
        do throws(Failure) {
            return try await outcome(by: end).get()
        } catch {
            guard !Task.isCancelled, let token = liveToken() else { throw error }
            // The login goes on, and others need not wait for it too.
            let next = clock.boot + Self.pause
            state.withLock { $0.next = next }
            return token
        }
    }

    private func liveToken() -> GoogleToken? {
        let now = clock.wall
        return state.withLock { state in state.held.flatMap { now < $0.token.expiresAt ? $0.token : nil } }
    }

    /// Of the login that is under way, or of a new one.
    private func outcome(by deadline: BootInstant) async throws(Failure) -> Result<GoogleToken, Failure> {
        guard let result = await shared.outcome(by: deadline, { await self.fetch() }) else {
            if Task.isCancelled {
                throw Failure(.cancelled, .cancelled, "the call was cancelled", vault: vault, isUnsent: true)
            }
            throw Failure(
                .deadlineExceeded, .deadline,
                "Google credentials: the source did not answer within the time given; nothing was done",
                vault: vault, retryable: true, isUnsent: true)
        }
        return result
    }
}
