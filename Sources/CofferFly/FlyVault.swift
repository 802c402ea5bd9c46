package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// The secrets of an app at Fly.io: one for each record, "CONNECTOR_{user}_{connection}".
///
/// Fly gives a secret's value to the app's own Machines only, as an environment variable, when they boot. So records are
/// read from what the environment had at the start, and what was written since is served from memory, and from sealed
/// files after a restart, until an environment brings it in: ``FlyOrder`` has the rule. Writing goes to the Machines API.
package final class FlyVault: VaultAdapter {
    package let name: String
    package let kind = "fly"
    package var identity: [UInt8] { Self.identity }
    package let capabilities: VaultCapabilities
    package let changes: VaultChanges? = nil

    /// Not of the app, so that a copy of the records in another one opens too.
    static let identity = Array(Digest.sha256(Array("coffer vault identity v1 fly CONNECTOR_".utf8)).prefix(16))
    /// The most bytes of one value: what `fly secrets set` reads. Fly publishes no limit.
    static let maximumValueBytes = 65_536
    /// The largest sealed payload whose document, with the longest version and times, has that size.
    static let maximumSealedBytes = (maximumValueBytes - 320) / 4 * 3
    /// The most bytes of all records' variables together: Linux starts no program with an environment over 2 MiB (a quarter
    /// of its usual stack of 8 MiB), and the app has other variables too.
    static let maximumTotalBytes = 1 << 20

    /// What the environment and the files of writes have, by the secrets' names.
    struct State {
        let environment: [ByteText: FlyValue]
        var entries: [ByteText: FlyEntry]
        /// Paths of files that do not open; a name leads to its file's path, and not the other way round.
        var damaged: Set<String>
        /// Of the app's secrets: the newest that is known.
        var version: UInt64 = 0
        /// When what is open may be asked for again.
        var askAgain = BootInstant(nanoseconds: 0)
    }

    let state: Mutex<State>
    let client: FlyClient?
    /// What is missing for writing; nil if `client` is there.
    private let missing: String?
    let files: FlyFiles
    let turns: FlyTurns
    let deployment: FlyDeployment?
    let machine: String
    let clock: any Clock
    let names = FlyNames()
    let settling: SharedWork<Void>
    private let gate = CallGate()

    /// What the environment of the process says, from the start on.
    struct Surroundings {
        /// Values of the variables whose names begin with `FlyNames.prefix`.
        var secrets: [String: Secret]
        /// $FLY_MACHINE_VERSION; "" = not in a Machine.
        var machineVersion = ""
    }

    /// - Parameters:
    ///   - client: nil = nothing is written.
    ///   - missing: what is missing for writing then.
    ///   - deployment: nil = what is written stays staged.
    /// - Throws: FAILED_PRECONDITION if the files of writes cannot be used.
    init(
        name: String, _ surroundings: Surroundings, client: FlyClient?, missing: String? = nil, files: FlyFiles,
        deployment: FlyDeployment? = nil, maximumPayloadBytes: Int = maximumSealedBytes, clock: any Clock,
        random: any RandomSource
    ) throws(Failure) {
        self.name = name
        self.client = client
        self.missing = missing
        self.files = files
        self.deployment = deployment
        self.clock = clock
        machine = surroundings.machineVersion
        turns = FlyTurns(clock: clock, vault: name)
        settling = SharedWork(clock: clock)
        let (begun, done) = Self.begin(surroundings, try files.load(), versionKey: random.bytes(Digest.byteCount))
        state = Mutex(begun)
        files.forget(done)
        capabilities = VaultCapabilities(
            conditionalWrites: false, listing: true, maximumPayloadBytes: maximumPayloadBytes, textPayloads: true,
            repeatableWrites: true, localReads: true)
        // Elsewhere no environment ever shows what was written.
        if !machine.isEmpty, let version = notDeployed { deployment?.noteChange(version) }
    }

    /// What a start finds: the environment, and those of the writes before it that it does not show; and the names of the
    /// others.
    private static func begin(
        _ surroundings: Surroundings, _ contents: FlyFiles.Contents, versionKey: [UInt8]
    ) -> (state: State, done: [ByteText]) {
        var values: [ByteText: FlyValue] = [:]
        for (name, text) in surroundings.secrets {
            values[ByteText(name)] = FlyValue(environment: text) { unversioned($0, versionKey) }
        }
        let entries = contents.entries.map { name, entry in
            var entry = entry
            entry.begin(environment: values[name]?.text, machine: surroundings.machineVersion)
            return (name, entry)
        }
        let done = entries.filter(\.1.isEmpty).map(\.0)
        let open = Dictionary(uniqueKeysWithValues: entries.filter { !$0.1.isEmpty })
        let version = open.values.compactMap { $0.current?.version }.max() ?? 0
        return (State(environment: values, entries: open, damaged: contents.damaged, version: version), done)
    }

    /// The version of a text that tells none: another one for every other text, until the daemon starts again. It tells
    /// nothing of the text.
    private static func unversioned(_ text: Secret, _ key: [UInt8]) -> String {
        let digest = Digest.sha256(key + Digest.sha256(text))
        return "sum-" + Hex.text(digest.prefix(16))
    }

    /// The version of the app's secrets that no update of this Machine has brought in since it was written; nil = there is none.
    private var notDeployed: UInt64? {
        state.withLock { $0.entries.values.filter { !$0.isUnsettled }.compactMap { $0.current?.version }.max() }
    }

    package func check(deadline: BootInstant) async throws(Failure) {
        guard let client else { return }
        try await during(deadline) { () throws(Failure) in
            do throws(FlyFault) {
                let listing = try await client.list(since: 0, deadline: deadline)
                await self.settle(by: listing, deadline)
            } catch {
                throw error.failure
            }
        }
    }

    package func close() async {
        deployment?.close()
        settling.cancel()
        await gate.close()
        await files.close()
    }

    /// - Throws: FAILED_PRECONDITION if nothing is written.
    func writer() throws(Failure) -> FlyClient {
        guard let client else { throw .flyReadOnly(missing ?? "", vault: name) }
        return client
    }

    /// Runs a call, unless it is too late for it.
    func during<R>(_ deadline: BootInstant, _ body: () async throws(Failure) -> R) async throws(Failure) -> R {
        guard clock.boot < deadline else { throw .notBegun(vault: name) }
        guard gate.enter() else { throw .closed(vault: name) }
        defer { gate.leave() }
        return try await body()
    }
}
