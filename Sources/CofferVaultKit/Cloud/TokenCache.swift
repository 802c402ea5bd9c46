package import CofferCore
internal import Synchronization

/// A bearer token as a ``TokenCache`` keeps it.
package protocol CachedToken: Sendable {
    /// The header: "Bearer …".
    var authorization: Secret { get }
    var expiresAt: WallMilliseconds { get }

    /// From when on another one is fetched in the background, of one that is new at `now`.
    func refreshTime(now: WallMilliseconds) -> WallMilliseconds
}

extension CachedToken {
    package func isSame(as other: Self) -> Bool { authorization.isEqual(to: other.authorization) }
}

extension Secret {
    /// The header with this token, "Bearer …"; nil for what cannot stand in one.
    package var bearerHeader: Secret? {
        guard (1...16_384).contains(count), isHeaderValue(allowsBlanks: false) else { return nil }
        return SecretWriter.build(count: 7 + count) { writer in
            writer.append("Bearer ")
            writer.append(self)
        }
    }
}

/// The token to call with, fetched once and kept, and replaced before it expires: in the background from when the token
/// says, and with everybody waiting in the last minute, of a shorter life in its last sixth.
package final class TokenCache<Token: CachedToken>: Sendable {
    /// How long one login may take.
    private static var longestLogin: Duration { .seconds(30) }
    /// How long a call waits for another token while the one that is held is still good.
    private static var longestWait: Duration { .seconds(1) }
    /// How long a login that failed is not tried again while no token is held: when the credentials were refused, and
    /// when their source failed.
    private static var refusalPause: Duration { .seconds(1) }
    private static var failurePause: Duration { .milliseconds(200) }
    /// Between two logins while the token that is held still does.
    private static var pause: Duration { .seconds(30) }

    private struct Held {
        let token: Token
        let advisory: WallMilliseconds
        let mandatory: WallMilliseconds
        /// When it took the place of one that the service did not accept.
        let replacedAt: BootInstant?
    }

    private struct State {
        var held: Held?
        /// No login before that, as long as what is held does.
        var next = BootInstant(nanoseconds: 0)
        /// What the last login failed with, and until when it stands for others.
        var refusal: (failure: Failure, until: BootInstant)?
        /// The next token takes the place of one that the service does not accept.
        var isReplacing = false
    }

    /// What there is in place of a token that the service does not accept.
    private enum Other {
        case held(Token)
        case login
        case none
    }

    /// What a caller does.
    private enum Step {
        case use(Token)
        /// And fetch another one in the background.
        case refresh(Token)
        case wait
    }

    private let source: String
    private let login: @Sendable (BootInstant) async throws(Failure) -> Token
    private let clock: any Clock
    private let vault: String
    private let state = Mutex(State())
    private let shared: SharedWork<Token>

    /// - Parameter source: for messages: "Google credentials".
    package init(
        of source: String, clock: any Clock, vault: String,
        login: @escaping @Sendable (BootInstant) async throws(Failure) -> Token
    ) {
        self.source = source
        self.clock = clock
        self.vault = vault
        self.login = login
        shared = SharedWork(clock: clock)
    }

    /// A token that is good as far as is known here.
    package func token(deadline: BootInstant) async throws(Failure) -> Token {
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
    ///
    /// - Parameter isOtherwise: the next one is asked for in another way than this one was.
    /// - Returns: nil if this one took the place of another less than 30 s ago, and the next one would be like it: a
    ///   service that accepts no token does not cost a login for each call.
    package func replacement(
        for rejected: Token, isOtherwise: Bool = false, deadline: BootInstant
    ) async throws(Failure) -> Token? {
        let boot = clock.boot
        let other = state.withLock { state -> Other in
            if let held = state.held {
                guard held.token.isSame(as: rejected) else { return .held(held.token) }
                if !isOtherwise, let replacedAt = held.replacedAt, boot < replacedAt + Self.pause { return .none }
            }
            (state.held, state.isReplacing) = (nil, true)
            return .login
        }
        switch other {
        case .held(let token): return token
        case .login: return try await fetched(by: deadline)
        case .none: return nil
        }
    }

    /// Logs in again if there was a login before. The current token stays in use until there is another one.
    ///
    /// - Returns: whether there is another one.
    /// - Throws: why there is none.
    package func reload(deadline: BootInstant) async throws(Failure) -> Bool {
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
    private func askAgain() -> Token? {
        state.withLock { state in
            state.refusal = nil
            guard let held = state.held else { return nil }
            state.held = Held(token: held.token, advisory: 0, mandatory: held.mandatory, replacedAt: held.replacedAt)
            return held.token
        }
    }

    /// Ends a login that is under way.
    package func close() { shared.cancel() }

    private func fetch() async -> Result<Token, Failure> {
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
    private func known() -> Result<Token, Failure>? {
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

    private func keep(_ token: Token) {
        let (now, boot) = (clock.wall, clock.boot)
        state.withLock { state in
            state.refusal = nil
            let life = token.expiresAt > now ? token.expiresAt - now : 0
            state.held = Held(
                token: token, advisory: token.refreshTime(now: now), mandatory: token.expiresAt - min(60_000, life / 6),
                replacedAt: state.isReplacing ? boot : nil)
            (state.next, state.isReplacing) = (boot, false)
        }
    }

    /// A source that fails or hangs does no harm before what it gave has expired.
    private func fetched(by deadline: BootInstant) async throws(Failure) -> Token {
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

    private func liveToken() -> Token? {
        let now = clock.wall
        return state.withLock { state in state.held.flatMap { now < $0.token.expiresAt ? $0.token : nil } }
    }

    /// Of the login that is under way, or of a new one.
    private func outcome(by deadline: BootInstant) async throws(Failure) -> Result<Token, Failure> {
        guard let result = await shared.outcome(by: deadline, { await self.fetch() }) else {
            if Task.isCancelled {
                throw Failure(.cancelled, .cancelled, "the call was cancelled", vault: vault, isUnsent: true)
            }
            throw Failure(
                .deadlineExceeded, .deadline,
                "\(source): the source did not answer within the time given; nothing was done",
                vault: vault, retryable: true, isUnsent: true)
        }
        return result
    }
}
