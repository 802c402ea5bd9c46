import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultKit
import Synchronization

/// The vaults of a daemon, and what they were made with.
struct OpenedVaults: Sendable {
    let pool: VaultPool
    let parts: VaultParts
}

/// What vaults share or have beside their adapters: the HTTP engine, files that are followed, credentials that
/// come from files.
final class VaultParts: Sendable {
    typealias Refresh = @Sendable (BootInstant) async throws(Failure) -> Bool

    private struct State {
        /// Nil without a vault that is reached by HTTP: there is no thread for it then, and no libcurl.
        var engine: HTTPEngine?
        var watches: [(vault: VaultConfiguration, watch: TLSFileWatch)] = []
        var refreshes: [(vault: VaultConfiguration, refresh: Refresh)] = []
        var expectedFiles: [(vault: VaultConfiguration, file: ExpectedFile)] = []
        var repaired: @Sendable (String) -> Void = { _ in }
    }

    private let clock: SystemClock
    private let state = Mutex(State())

    /// Nothing runs yet.
    init(_ configuration: Configuration, clock: SystemClock) {
        if configuration.vaults.contains(where: { !$0.driver.isLocal }) { HTTPEngine.cleanEnvironment() }
        self.clock = clock
    }

    /// For a vault that is being opened.
    ///
    /// - Throws: FAILED_PRECONDITION if there is no libcurl that can be used, RESOURCE_EXHAUSTED if it cannot be loaded for
    ///   want of memory or descriptors.
    func client(_ endpoint: HTTPEndpoint) throws(Failure) -> HTTPClient {
        try state.withLock { state throws(Failure) in
            let engine: HTTPEngine
            if let made = state.engine { engine = made } else { engine = try HTTPEngine(clock: clock) }
            state.engine = engine
            return try engine.client(endpoint)
        }
    }

    func add(_ watch: TLSFileWatch, of vault: VaultConfiguration) {
        state.withLock { $0.watches.append((vault, watch)) }
    }

    func add(_ refresh: @escaping Refresh, of vault: VaultConfiguration) {
        state.withLock { $0.refreshes.append((vault, refresh)) }
    }

    func add(_ file: ExpectedFile, of vault: VaultConfiguration) {
        state.withLock { $0.expectedFiles.append((vault, file)) }
    }

    /// Files that vaults read later.
    var expectedFiles: [(vault: VaultConfiguration, file: ExpectedFile)] { state.withLock { $0.expectedFiles } }

    /// - Parameter call: gets the name of a vault whose certificates or credentials have changed.
    func whenRepaired(_ call: @escaping @Sendable (String) -> Void) { state.withLock { $0.repaired = call } }

    /// The vault's certificates have changed: the next call asks it, and logs in if need be, however it was refused before.
    /// Blocks the thread, for five seconds at most.
    func noteNewCertificates(of name: String) {
        _ = refreshed(state.withLock { $0.refreshes }.filter { $0.vault.name == name }.map(\.refresh))
        noteRepair(of: name)
    }

    private func noteRepair(of vault: String) { state.withLock { $0.repaired }(vault) }

    /// - Throws: RESOURCE_EXHAUSTED when the system gives no thread. Call `stop` then too.
    func start() throws(Failure) {
        try state.withLock { $0.engine }?.start()
        for (_, watch) in state.withLock({ $0.watches }) { try watch.start() }
    }

    /// Reads all files again. Blocks the thread: for five seconds at most for each vault's TLS files, and
    /// five for all credentials.
    func reload() -> ReloadOutcome {
        let (watches, refreshes) = state.withLock { ($0.watches, $0.refreshes) }
        var outcome = ReloadOutcome()
        func note(_ what: String, _ result: Result<Bool, Failure>) {
            switch result {
            case .success(let isChanged): outcome.reread += isChanged ? [what] : []
            case .failure(let failure): outcome.failures.append("\(what): \(failure.message)")
            }
        }
        var repaired: Set<String> = []
        for (vault, watch) in watches {
            do throws(Failure) {
                let isChanged = try watch.reload()
                if isChanged { repaired.insert(vault.name) }
                note("\(vault.path): TLS files", .success(isChanged))
            } catch {
                note("\(vault.path): TLS files", .failure(error))
            }
        }
        for (vault, result) in zip(refreshes.map(\.vault), refreshed(refreshes.map(\.refresh))) {
            note("\(vault.path): credentials", result)
            if case .success(true) = result { repaired.insert(vault.name) }
        }
        // Only now: a login that was refused a moment ago is tried again.
        for name in repaired { noteRepair(of: name) }
        return outcome
    }

    /// All at the same time.
    private func refreshed(_ refreshes: [Refresh]) -> [Result<Bool, Failure>] {
        let deadline = clock.boot + FileReader.patience
        return Blocking.run {
            await withTaskGroup(of: (Int, Result<Bool, Failure>).self) { group in
                for (index, refresh) in refreshes.enumerated() {
                    group.addTask { (index, await Self.result(refresh, deadline)) }
                }
                var results = [Result<Bool, Failure>](repeating: .success(false), count: refreshes.count)
                for await (index, result) in group { results[index] = result }
                return results
            }
        } ?? []
    }

    private static func result(_ refresh: Refresh, _ deadline: BootInstant) async -> Result<Bool, Failure> {
        do throws(Failure) {
            return .success(try await refresh(deadline))
        } catch {
            return .failure(error)
        }
    }

    /// Ends the threads. The vaults are closed by then.
    func stop() {
        for (_, watch) in state.withLock({ $0.watches }) { watch.stop() }
        state.withLock { $0.engine }?.close()
    }
}
