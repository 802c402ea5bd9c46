package import CofferCore
internal import CofferCrypto
package import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// Records in etcd 3.4 or newer, each as a sealed document under a key of its own.
package final class EtcdVault: VaultAdapter {
    /// As text with what stands beside it, and with the longest key, this stays below 1.5 MiB, the largest request
    /// that etcd takes by default. A credential of 1 MiB fits, with 50 KB of labels.
    package static let maximumPayloadBytes = 1_100_000
    /// Of one value as text: what an answer may have.
    static let maximumAnswerBytes = 4 << 20

    package let name: String
    package let kind = "etcd"
    package let capabilities = VaultCapabilities(
        readsAtOnce: maximumOperations, conditionalWrites: true, listing: true, maximumPayloadBytes: maximumPayloadBytes,
        shortestTTL: EtcdLeases.shortest)
    package let identity: [UInt8]

    let names: EtcdNames
    let client: EtcdClient
    let leases: EtcdLeases
    let gate = CallGate()
    let watch: EtcdWatch
    let milestones = EtcdMilestones()
    /// What one transaction reads: etcd's limit for operations, once it has said that it has a smaller one than by default.
    let readsPerTransaction = Atomic(EtcdVault.maximumOperations)

    var clock: any Clock { client.wire.dependencies.clock }

    /// The watch begins when this is first asked for.
    package var changes: VaultChanges? {
        watch.start()
        return watch.feed
    }

    /// Connects to nothing yet.
    ///
    /// - Parameter members: of one cluster, in the order in which they are asked; at least one.
    package init(name: String, options: EtcdOptions, members: [EtcdMember], dependencies: EtcdDependencies) {
        self.name = name
        names = EtcdNames(prefix: options.prefix)
        let wire = EtcdWire(vault: name, members: members, dependencies: dependencies)
        client = EtcdClient(wire: wire, session: EtcdSession(login: options.login, wire: wire))
        leases = EtcdLeases(client: client, gate: gate)
        watch = EtcdWatch(client: client, names: names)
        identity = Self.identity(options)
    }

    /// Not of the addresses: a cluster that was restored elsewhere is the same one.
    private static func identity(_ options: EtcdOptions) -> [UInt8] {
        Array(Digest.sha256(Array("coffer vault identity v1\0etcd\0\(options.prefix)".utf8)).prefix(16))
    }

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        try begin(deadline)
        defer { gate.leave() }
        return try await record(names.name(of: key.key), deadline: deadline)?.live(at: clock.wall)?.get()
    }

    /// What is stored under this name, expired or not.
    ///
    /// - Parameter revision: of the store, at which to look; nil = now.
    nonisolated(nonsending)
        func record(_ name: String, at revision: Int64? = nil, deadline: BootInstant) async throws(Failure) -> EtcdRecord?
    {
        var members: [(name: String, value: JSON)] = [("key", .base64(name))]
        if let revision { members.append(("revision", .int64(revision))) }
        let call = EtcdCall("kv/range", members, for: .read)
        let answer = try await client.require(call, deadline: deadline).answer
        return try await LargeAnswer.tryLook(at: answer.bytes) { () throws(Failure) in try self.record(in: answer.json) }
    }

    /// The only record of a range.
    ///
    /// - Parameter range: etcd's answer to it; nil = that is missing.
    func record(in range: JSON?) throws(Failure) -> EtcdRecord? {
        guard let range, range.members != nil else { throw .etcdGarbled(name, isWrite: false) }
        guard let first = range["kvs"]?.elements?.first else { return nil }
        guard let record = EtcdRecord(first, vault: name) else { throw .etcdGarbled(name, isWrite: false) }
        return record
    }

    /// A read of a record that never is: it needs a leader, the login and the permission, as every call does.
    package func check(deadline: BootInstant) async throws(Failure) {
        try begin(deadline)
        defer { gate.leave() }
        _ = try await record(names.checkName, deadline: deadline)
    }

    /// Reads the password's file again; the token that is there stays until there is another.
    ///
    /// - Returns: whether there is another.
    package func reload(deadline: BootInstant) async throws(Failure) -> Bool {
        try await client.session.reload(by: deadline)
    }

    package func close() async {
        await gate.close()
        await watch.close()
        await client.session.close()
    }

    /// Begins a call, unless it is too late for it; `gate.leave` ends it.
    func begin(_ deadline: BootInstant) throws(Failure) {
        guard clock.boot < deadline else { throw .notBegun(vault: name) }
        guard gate.enter() else { throw .closed(vault: name) }
    }
}
