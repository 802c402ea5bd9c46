internal import CofferCore
internal import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// Brings what was written to the app's Machines: each is updated as it is, with a version of the secrets that it must have at
/// least. An update starts a Machine again.
///
/// Writes that follow each other are brought together. One Machine is updated after the other, each when the one before
/// runs; the daemon's own, with which the daemon ends, is the last.
final class FlyDeployment: Sendable {
    /// For one call of the API.
    private static let patience = Duration.seconds(15)
    /// For one Machine to run again.
    private static let startSeconds = 60
    /// After a failure: twice as long each time, at most an hour.
    private static let firstPause = Duration.seconds(30)
    private static let longestPause = Duration.seconds(3_600)

    /// How far it has come, as a file keeps it.
    struct Progress: Equatable, Sendable {
        /// The app's other Machines have this version of the secrets, or a later one.
        var version: UInt64 = 0
        /// The version that the configuration of the daemon's own Machine had when its turn came; "" = not in a Machine.
        var machine = ""
    }

    private struct Target {
        /// Counts the changes: a version does not tell those apart that the API told none for.
        var change: UInt64 = 0
        /// Of the app's secrets, at least.
        var version: UInt64 = 0
    }

    typealias Keep = @Sendable (Progress) async throws(Failure) -> Void

    private struct State {
        /// What the Machines are to have.
        var target = Target()
        var progress = Progress()
        /// Which change each Machine has got, by their ids: a failure of one does not restart the rest again.
        var updated: [String: UInt64] = [:]
        var machine = ""
        var keep: Keep?
        var lastChange = BootInstant(nanoseconds: 0)
        var task: Task<Void, Never>?
        var isClosed = false
    }

    private let client: FlyClient
    private let machine: String
    private let delay: Duration
    private let clock: any Clock
    private let notice: @Sendable (String) -> Void
    private let sleep: @Sendable (Duration) async throws -> Void
    private let state = Mutex(State())

    /// - Parameters:
    ///   - machine: the daemon's own Machine's id; "" = it is in none.
    ///   - delay: how long no write may have come before it begins.
    ///   - notice: tells the operator what has failed.
    ///   - sleep: ends early, by throwing, when its task is cancelled.
    init(
        _ client: FlyClient, machine: String, delay: Duration, clock: any Clock, notice: @escaping @Sendable (String) -> Void,
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.client = client
        self.machine = machine
        self.delay = delay
        self.clock = clock
        self.notice = notice
        self.sleep = sleep
    }

    /// Goes on where the process before this one has stopped. Before that nothing is brought.
    ///
    /// - Parameters:
    ///   - progress: what that one has kept.
    ///   - stored: the version of the app's secrets since the newest write; 0 = there is none.
    ///   - machine: the version of the own Machine's configuration now; "" = not in a Machine.
    ///   - keep: makes progress durable.
    func begin(_ progress: Progress, stored: UInt64, machine: String, keep: @escaping Keep) {
        state.withLock { state in
            (state.progress, state.machine, state.keep) = (progress, machine, keep)
        }
        let isOwnLeft = !machine.isEmpty && progress.machine == machine
        if stored > progress.version || isOwnLeft { noteChange(max(stored, progress.version)) }
    }

    /// The app's secrets have this version since a write.
    func noteChange(_ version: UInt64) {
        state.withLock { state in
            guard !state.isClosed else { return }
            guard version > state.target.version else { return start(&state) }
            state.target = Target(change: state.target.change + 1, version: version)
            start(&state)
        }
    }

    /// The app's secrets may have changed at a version that nobody knows: all Machines are updated, whatever they have.
    ///
    /// - Parameter version: the newest that is known.
    func noteChangeAtUnknownVersion(after version: UInt64) async {
        let change = state.withLock { state -> (keep: Keep?, progress: Progress)? in
            guard !state.isClosed else { return nil }
            state.target = Target(change: state.target.change + 1, version: max(state.target.version, version))
            state.progress = Progress()
            start(&state)
            return (state.keep, state.progress)
        }
        // If the disk does not take it, only this process knows; it updates them all the same.
        if let change { try? await change.keep?(change.progress) }
    }

    private func start(_ state: inout State) {
        state.lastChange = clock.boot
        if state.task == nil { state.task = Task { await self.run() } }
    }

    /// All of the app's other Machines have this version, or a later one.
    func hasBrought(_ version: UInt64) -> Bool { state.withLock { version <= $0.progress.version } }

    func close() {
        state.withLock { state in
            state.isClosed = true
            state.task?.cancel()
        }
    }

    private func run() async {
        var pause = Self.firstPause
        do {
            while true {
                try await waitForQuiet()
                let target = state.withLock { $0.target }
                do throws(Failure) {
                    if try await bring(target) { return }
                    pause = Self.firstPause
                } catch {
                    if Task.isCancelled { return }
                    notice("what was stored is not brought to the app's Machines yet, and is tried again: \(error.message)")
                    try await sleep(pause)
                    pause = min(pause * 2, Self.longestPause)
                }
            }
        } catch {
            // Closed.
        }
    }

    private func waitForQuiet() async throws {
        while true {
            let end = state.withLock { $0.lastChange } + delay
            let now = clock.boot
            guard now < end else { return }
            try await sleep(.nanoseconds(Int64(clamping: end.nanoseconds - now.nanoseconds)))
        }
    }

    private func isNewest(_ target: Target) -> Bool { state.withLock { $0.target.change == target.change } }

    /// No write has come meanwhile: the task ends.
    private func isDone(_ target: Target) -> Bool {
        state.withLock { state in
            guard state.target.change == target.change else { return false }
            state.task = nil
            return true
        }
    }

    // MARK: The Machines

    /// - Returns: whether all is done; not if there was a write meanwhile, which Machines that were updated before it lack.
    private func bring(_ target: Target) async throws(Failure) -> Bool {
        let all = try await asking { () throws(FlyFault) in try await client.machines(deadline: clock.boot + Self.patience) }
        if !hasBrought(target.version) {
            for one in all where one["id"]?.text != machine {
                try await asking { () throws(FlyFault) in try await update(one, target) }
            }
        }
        guard isNewest(target), try await keepProgress(target) else { return false }
        for one in all where one["id"]?.text == machine {
            try await asking { () throws(FlyFault) in try await update(one, target) }
        }
        return isDone(target)
    }

    /// The update of the own Machine ends the daemon: what comes after it must know that the others are done.
    ///
    /// - Returns: whether there was no write meanwhile.
    private func keepProgress(_ target: Target) async throws(Failure) -> Bool {
        let (keep, progress) = state.withLock { state in
            (state.keep, Progress(version: max(target.version, state.progress.version), machine: state.machine))
        }
        try await keep?(progress)
        let (isNewest, kept) = state.withLock { state in
            if state.target.change == target.change { state.progress = progress }
            return (state.target.change == target.change, state.progress)
        }
        // The file must not say more than is known now.
        if !isNewest { try await keep?(kept) }
        return isNewest
    }

    private func asking<R>(_ call: () async throws(FlyFault) -> R) async throws(Failure) -> R {
        do throws(FlyFault) { return try await call() } catch { throw error.failure }
    }

    private func update(_ machine: JSON, _ target: Target) async throws(FlyFault) {
        let phase = machine["state"]?.text ?? ""
        guard !["destroyed", "destroying"].contains(phase) else { return }
        guard let id = machine["id"]?.text, id.utf8.allSatisfy(\.isASCIILetterOrDigit), let configuration = machine["config"],
            configuration.members != nil, configuration.isReadable
        else {
            throw .failed(.flyGarbled(vault: client.vault, writing: false))
        }
        guard state.withLock({ $0.updated[id] ?? 0 }) < target.change else { return }
        let runs = ["started", "starting", "replacing"].contains(phase)
        var body: [(name: String, value: JSON)] = [
            ("config", configuration), ("min_secrets_version", .integer(target.version)), ("skip_launch", .bool(!runs)),
        ]
        // Refused if somebody else has updated it since.
        if let current = machine["instance_id"] { body.append(("current_version", current)) }
        do throws(FlyFault) {
            let updated = try await client.update(id, .object(body), deadline: clock.boot + Self.patience)
            if runs, let updated {
                try await client.waitUntilStarted(
                    id, updated, seconds: Self.startSeconds, deadline: clock.boot + .seconds(Self.startSeconds) + Self.patience)
            }
        } catch {
            // It was destroyed meanwhile.
            if case .refused(status: 404, _) = error { return }
            throw error
        }
        state.withLock { $0.updated[id] = target.change }
    }
}
