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

    private struct State {
        /// What the Machines are to have; 0 = nothing is open.
        var version: UInt64 = 0
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

    /// The app's secrets have this version since a write.
    func noteChange(_ version: UInt64) {
        state.withLock { state in
            guard !state.isClosed else { return }
            state.version = max(state.version, version)
            state.lastChange = clock.boot
            if state.task == nil { state.task = Task { await self.run() } }
        }
    }

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
                let version = state.withLock { $0.version }
                do throws(Failure) {
                    try await bring(version)
                    if isDone(version) { return }
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

    /// No write has come meanwhile: the task ends.
    private func isDone(_ version: UInt64) -> Bool {
        state.withLock { state in
            guard state.version == version else { return false }
            (state.version, state.task) = (0, nil)
            return true
        }
    }

    // MARK: The Machines

    private func bring(_ version: UInt64) async throws(Failure) {
        do throws(FlyFault) {
            let all = try await client.machines(deadline: clock.boot + Self.patience)
            let others = all.filter { $0["id"]?.text != machine }
            let own = all.filter { $0["id"]?.text == machine }
            for one in others + own { try await update(one, version) }
        } catch {
            throw error.failure
        }
    }

    private func update(_ machine: JSON, _ version: UInt64) async throws(FlyFault) {
        let state = machine["state"]?.text ?? ""
        guard !["destroyed", "destroying"].contains(state) else { return }
        guard let id = machine["id"]?.text, id.utf8.allSatisfy(\.isASCIILetterOrDigit), let configuration = machine["config"],
            configuration.members != nil, configuration.isReadable
        else {
            throw .failed(.flyGarbled(vault: client.vault, writing: false))
        }
        let runs = ["started", "starting", "replacing"].contains(state)
        var body: [(name: String, value: JSON)] = [
            ("config", configuration), ("min_secrets_version", .integer(version)), ("skip_launch", .bool(!runs)),
        ]
        // Refused if somebody else has updated it since.
        if let current = machine["instance_id"] { body.append(("current_version", current)) }
        let updated = try await client.update(id, .object(body), deadline: clock.boot + Self.patience)
        guard runs, let updated else { return }
        try await client.waitUntilStarted(
            id, updated, seconds: Self.startSeconds, deadline: clock.boot + .seconds(Self.startSeconds) + Self.patience)
    }
}
