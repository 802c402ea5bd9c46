internal import CofferCore
internal import Synchronization

/// The credentials to sign with, found once and kept, and replaced before they
/// expire: from 15 minutes before in the background, from 10 minutes before with
/// everybody waiting, or from the last quarter and sixth of a shorter life.
final class AWSCredentialChain: Sendable {
    /// How long one search may take.
    static let patience = Duration.seconds(30)
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

    private struct Flight {
        let result: Eventual<Result<AWSCredentials, Failure>>
        let task: Task<Void, Never>
    }

    private struct State {
        var held: Held?
        var flight: Flight?
        /// No search before that, as long as what is held does.
        var next = BootInstant(nanoseconds: 0)
    }

    private let find: @Sendable (BootInstant) async throws(Failure) -> AWSCredentials
    private let clock: AWSClock
    private let vault: String
    private let state = Mutex(State())

    init(
        clock: AWSClock, vault: String, find: @escaping @Sendable (BootInstant) async throws(Failure) -> AWSCredentials
    ) {
        self.clock = clock
        self.vault = vault
        self.find = find
    }

    /// Credentials that are good as far as is known here.
    func credentials(deadline: BootInstant) async throws(Failure) -> AWSCredentials {
        enum Step {
            case use(AWSCredentials)
            case wait(Flight)
        }
        let (now, boot) = (clock.now, clock.boot)
        let step: Step = state.withLock { state in
            if let held = state.held {
                if now < held.advisory { return .use(held.credentials) }
                if boot < state.next, held.isStale || now < held.credentials.expiresAt ?? .max {
                    return .use(held.credentials)
                }
                if now < held.mandatory {
                    _ = launch(&state)
                    return .use(held.credentials)
                }
            }
            return .wait(launch(&state))
        }
        switch step {
        case .use(let credentials): return credentials
        case .wait(let flight): return try await outcome(of: flight, deadline)
        }
    }

    /// Others than these, which the service says have expired.
    func replacement(
        for rejected: AWSCredentials, deadline: BootInstant
    ) async throws(Failure) -> AWSCredentials {
        let (held, flight) = state.withLock { state -> (AWSCredentials?, Flight?) in
            if let held = state.held, !held.credentials.isSame(as: rejected) { return (held.credentials, nil) }
            state.held = nil
            return (nil, launch(&state))
        }
        if let held { return held }
        guard let flight else { return rejected }
        return try await outcome(of: flight, deadline)
    }

    /// Ends a search that is under way.
    func close() { state.withLock { $0.flight?.task.cancel() } }

    /// The search that is under way, or a new one.
    private func launch(_ state: inout State) -> Flight {
        if let flight = state.flight { return flight }
        let result = Eventual<Result<AWSCredentials, Failure>>()
        let flight = Flight(
            result: result,
            task: Task {
                do throws(Failure) {
                    let found = try await find(clock.boot + Self.patience)
                    finish(found)
                    result.fulfil(.success(found))
                } catch {
                    finish(nil)
                    result.fulfil(.failure(error))
                }
            })
        state.flight = flight
        return flight
    }

    private func finish(_ found: AWSCredentials?) {
        let (now, boot) = (clock.now, clock.boot)
        state.withLock { state in
            state.flight = nil
            guard let found else {
                state.next = boot + Self.pause
                return
            }
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

    private func outcome(of flight: Flight, _ deadline: BootInstant) async throws(Failure) -> AWSCredentials {
        guard let result = await flight.result.value(before: deadline, clock: clock.host) else {
            if Task.isCancelled {
                throw Failure(.cancelled, .cancelled, "the call was cancelled", vault: vault, isUnsent: true)
            }
            throw Failure(
                .deadlineExceeded, .deadline,
                "AWS credentials: the source did not answer within the time given; nothing was done",
                vault: vault, retryable: true, isUnsent: true)
        }
        switch result {
        case .success(let credentials): return credentials
        case .failure(let failure):
            // A source that fails does no harm before what it gave has expired.
            if let held = state.withLock({ $0.held }), clock.now < held.credentials.expiresAt ?? .max {
                return held.credentials
            }
            throw failure
        }
    }
}
