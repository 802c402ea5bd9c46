package import CofferCore
internal import CofferCrypto
package import CofferHTTP
package import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// A KV engine of version 2 in HashiCorp Vault or OpenBao.
package final class HashiCorpVault: VaultAdapter {
    /// In base64 and with what stands beside it this stays below 1 MiB, the
    /// largest entry that the vault's own storage takes by default.
    package static let maximumPayloadBytes = 780_000

    package let name: String
    package let kind = "vault"
    package let capabilities: VaultCapabilities
    package let changes: VaultChanges? = nil
    package let identity: [UInt8]

    let options: HashiCorpOptions
    let names: HashiCorpNames
    let client: HashiCorpClient
    let recent = RecentWrites()
    let state = Mutex(State())
    let mount: HashiCorpMount
    let gate = CallGate()

    /// What was found out about the vault.
    struct State {
        /// The mount or a key of it takes check-and-set writes only.
        var needsCheckAndSet = false
        /// The token may not write metadata; looked at again then.
        var metadataRefusedUntil: BootInstant?
    }

    var clock: any Clock { client.wire.dependencies.clock }
    var dependencies: HashiCorpDependencies { client.wire.dependencies }

    /// Connects to nothing yet.
    ///
    /// - Parameters:
    ///   - isSecure: whether the vault's address is https; a redirect to the
    ///     other scheme is not followed.
    ///   - nodes: the vault's address and those of the other nodes of its cluster,
    ///     which `transport` allows; empty = the transport's own address alone.
    ///   - transport: to the vault's address. Timeouts and pooling are its own.
    package init(
        name: String, options: HashiCorpOptions, transport: any HTTPTransport, isSecure: Bool,
        nodes: [HTTPOrigin] = [], dependencies: HashiCorpDependencies
    ) {
        self.name = name
        self.options = options
        names = HashiCorpNames(
            mount: options.mount, prefix: options.prefix, prefersLiteral: options.literalNames)
        capabilities = VaultCapabilities(
            conditionalWrites: true, listing: true, maximumPayloadBytes: Self.maximumPayloadBytes, textPayloads: true,
            nativeExpiry: options.writesMetadata)
        let wire = HashiCorpWire(
            vault: name, transport: transport, isSecure: isSecure, nodes: nodes, namespace: options.namespace,
            dependencies: dependencies)
        client = HashiCorpClient(
            vault: name, wire: wire, session: HashiCorpSession(vault: name, auth: options.auth, wire: wire))
        mount = HashiCorpMount(path: options.mount, client: client)
        identity = Self.identity(options)
    }

    /// Not of the address: a vault that was restored elsewhere is the same one.
    private static func identity(_ options: HashiCorpOptions) -> [UInt8] {
        var list: [UInt8] = []
        for part in ["coffer vault identity v1", "vault", options.mount, options.namespace ?? "", options.prefix] {
            let count = UInt32(part.utf8.count)
            list += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: count >> $0) } + Array(part.utf8)
        }
        return Array(Digest.sha256(list).prefix(16))
    }

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        try begin(deadline)
        defer { gate.leave() }
        return try await current(key.key, deadline: deadline).record.live(at: clock.wall)?.get()
    }

    /// What is stored for a key. Of two names the one counts that was changed last: a record that has
    /// expired is not there again as what it replaced. A live one under the escaped name counts
    /// without a look at the other, where that is the one that is written.
    nonisolated(nonsending) func current(
        _ key: RecordKey, deadline: BootInstant
    ) async throws(Failure) -> (record: HashiCorpRecord, path: String) {
        let path = names.record(key)
        guard let literal = names.literalRecord(key) else {
            return (try await record(path, deadline: deadline), path)
        }
        let (first, second) = names.prefersLiteral ? (literal, path) : (path, literal)
        let record = try await record(first, deadline: deadline)
        let isLive = record.live(at: clock.wall) != nil
        if isLive && !names.prefersLiteral { return (record, first) }
        let other = try await self.record(second, deadline: deadline)
        let otherIsLive = other.live(at: clock.wall) != nil
        return other.isNewer(than: record) && (isLive || otherIsLive) ? (other, second) : (record, first)
    }

    /// What is stored at `path`. A node that does not show yet what was written a
    /// moment ago is asked again.
    nonisolated(nonsending) func record(_ path: String, deadline: BootInstant) async throws(Failure) -> HashiCorpRecord
    {
        var pause = Duration.milliseconds(20)
        while true {
            let call = HashiCorpCall(.get, names.path(.data, path), for: .read)
            let answer = try await client.call(call, deadline: deadline)
            // An engine of version 1 knows no versions, and takes this path for a name.
            let hasVersion = answer.data?["metadata"]?["version"] != nil
            if hasVersion || answer.isSuccess || answer.isAbsence {
                try await mount.require(isProven: hasVersion, deadline: deadline)
            }
            let record = try await LargeAnswer.tryLook(at: answer.bytes) { [name] () throws(Failure) in
                try HashiCorpRecord(answer, vault: name)
            }
            guard let expected = recent.expected(path, now: clock.boot), record.version < expected.version,
                await dependencies.pause(pause, until: min(deadline, expected.until))
            else { return record }
            pause *= 2
        }
    }

    package func check(deadline: BootInstant) async throws(Failure) {
        try begin(deadline)
        defer { gate.leave() }
        let call = HashiCorpCall(.get, "sys/health?standbyok=true&perfstandbyok=true", for: .health)
        let answer = try await client.wire.exchange(call, token: nil, deadline: deadline)
        // 429 and 473 are standbys here, by whatever name the query goes.
        guard answer.isSuccess || answer.status == 429 || answer.status == 473 else {
            throw .hashiCorp(answer, .health, vault: name)
        }
        guard answer.json?["initialized"]?.bool != nil else { throw .hashiCorpGarbled(.health, name) }
        // Anybody may ask that. A record that never is needs login and policy, as every call does.
        _ = try await record("\(options.prefix)/coffer.check/coffer.check", deadline: deadline)
    }

    /// Reads the file that the daemon logs in with again; the token that is there stays until there is another.
    ///
    /// - Returns: whether there is another.
    package func reload(deadline: BootInstant) async throws(Failure) -> Bool {
        try await client.session.reload(deadline: deadline)
    }

    package func close() async {
        await gate.close()
        await client.session.close()
    }

    /// Begins a call, unless it is too late for it; `gate.leave` ends it.
    func begin(_ deadline: BootInstant) throws(Failure) {
        guard clock.boot < deadline else { throw .notBegun(vault: name) }
        guard gate.enter() else { throw .closed(vault: name) }
    }
}
