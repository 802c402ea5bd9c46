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
/// files after a restart, until the API says that somebody else has written later: ``FlyEntry`` has the rule. Writing goes to
/// the Machines API.
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

    let state: Mutex<FlyState>
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
        let contents = try files.load()
        let (begun, done) = Self.begin(surroundings, contents, versionKey: random.bytes(Digest.byteCount))
        let stored = begun.version
        state = Mutex(begun)
        files.forget(done)
        capabilities = VaultCapabilities(
            conditionalWrites: false, listing: true, maximumPayloadBytes: maximumPayloadBytes, textPayloads: true,
            repeatableWrites: true, localReads: true)
        deployment?.begin(contents.progress, stored: stored, machine: machine) { progress async throws(Failure) in
            try await files.save(progress, deadline: clock.boot + Self.patienceWithDisk)
        }
    }

    /// For the disk, where no caller waits.
    private static let patienceWithDisk = Duration.seconds(15)

    /// What a start finds: the environment, and the writes before it; and the names of those whose files have nothing left
    /// to say.
    private static func begin(
        _ surroundings: Surroundings, _ contents: FlyFiles.Contents, versionKey: [UInt8]
    ) -> (state: FlyState, done: [ByteText]) {
        var values: [ByteText: FlyValue] = [:]
        for (name, text) in surroundings.secrets {
            values[ByteText(name)] = FlyValue(environment: text) { unversioned($0, versionKey) }
        }
        let machine = surroundings.machineVersion
        let done = contents.entries.filter { $0.value.isOver(machine: machine) }
        let kept = contents.entries.filter { !$0.value.isOver(machine: machine) }
        let state = FlyState(environment: values, entries: kept, damaged: contents.damaged, machine: machine)
        return (state, Array(done.keys))
    }

    /// The version of a text that tells none: another one for every other text, until the daemon starts again. It tells
    /// nothing of the text.
    private static func unversioned(_ text: Secret, _ key: [UInt8]) -> String {
        let digest = Digest.sha256(key + Digest.sha256(text))
        return "sum-" + Hex.text(digest.prefix(16))
    }

    /// What an operator should know of what the start has found; nil = nothing.
    var findings: String? {
        let (damaged, open) = state.withLock { ($0.damaged.count, $0.open.count) }
        if damaged > 0 {
            return "files in \(files.folder) that do not open: \(damaged); their records are DATA_LOSS. They are damaged, or were "
                + "sealed under other keys or for another app: bring back the key ring and the setting app that they belong to, or "
                + "store the records again"
        }
        guard client == nil, open > 0 else { return nil }
        return "without an API token nobody tells whether records that were stored here have been changed elsewhere since: \(open); "
            + "they are served as they were stored. Set a token, or remove \(files.folder) if all is deployed"
    }

    package func check(deadline: BootInstant) async throws(Failure) {
        guard let client else { return }
        try await during(deadline) { () throws(Failure) in
            do throws(FlyFault) {
                try await self.settle(client, deadline)
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
