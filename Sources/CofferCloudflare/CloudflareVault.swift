package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

/// Cloudflare Workers KV: one key of a namespace for each record, "{prefix}:{user}:{connection}".
///
/// It has no conditional writes, and is eventually consistent: what was written may be seen late, also
/// what was deleted.
package final class CloudflareVault: VaultAdapter {
    package let name: String
    package let kind = "cloudflare"
    package let identity: [UInt8]
    package let capabilities: VaultCapabilities
    package let changes: VaultChanges? = nil

    let client: CloudflareClient
    let directory: CloudflareDirectory
    let names: CloudflareKVNames
    let clock: any Clock
    let random: any RandomSource
    let pacing = CloudflareWritePacing()
    let pause: @Sendable (Duration) async -> Void
    /// Makes versions of texts that tell none, so that they tell nothing of the text.
    private let versionKey: [UInt8]
    private let gate = CallGate()

    /// Cloudflare says 60 s "or more"; where that runs out in one place, another may begin late.
    private static let longestLag = Duration.seconds(75)
    /// The least `expiration_ttl`.
    static let shortestTTL = Duration.seconds(60)
    /// Enough for the largest credential and what is kept with it. Cloudflare itself takes 25 MiB.
    static let maximumPayloadBytes = Envelope.maximumPlaintextBytes

    /// - Parameters:
    ///   - account: its id; nil = the only one that the token may use.
    ///   - namespace: its id or its title.
    ///   - pause: lets time pass, and ends early when the task is cancelled.
    init(
        name: String, client: CloudflareClient, account: String?, namespace: String, prefix: String, clock: any Clock,
        random: any RandomSource, pause: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
    ) {
        self.name = name
        self.client = client
        self.clock = clock
        self.random = random
        self.pause = pause
        directory = CloudflareDirectory(
            client, account: account,
            wanted: CloudflareDirectory.Wanted(
                collection: "/storage/kv/namespaces", nameMember: "title", name: namespace, what: "KV namespace",
                setting: "kv_namespace"),
            clock: clock)
        let names = CloudflareKVNames(prefix: prefix)
        self.names = names
        identity = CloudflareIdentity.identity(kind, prefix)
        versionKey = random.bytes(Digest.byteCount)
        capabilities = VaultCapabilities(
            readsAtOnce: Self.batchSize, conditionalWrites: false, listing: true, maximumPayloadBytes: Self.maximumPayloadBytes,
            longestName: VaultCapabilities.NameLimit(maximumBytes: CloudflareKVNames.maximumBytes) { key in
                names.name(of: key).utf8.count
            },
            textPayloads: true, nativeExpiry: true, shortestTTL: Self.shortestTTL, repeatableWrites: true,
            consistency: .lagging(for: Self.longestLag))
    }

    /// Asks for a key that is never there: what every reader may do, and the answer shows that address,
    /// account, namespace and token are right.
    package func check(deadline: BootInstant) async throws(Failure) {
        try await during(deadline) { () throws(Failure) in
            _ = try await self.current(named: self.names.allPrefix + "coffer.check", deadline)
        }
    }

    package func close() async { await gate.close() }

    /// Runs a call, unless it is too late for it.
    func during<R>(_ deadline: BootInstant, _ body: () async throws(Failure) -> R) async throws(Failure) -> R {
        guard clock.boot < deadline else { throw .notBegun(vault: name) }
        guard gate.enter() else { throw .closed(vault: name) }
        defer { gate.leave() }
        return try await body()
    }

    /// A call below the namespace's path.
    ///
    /// - Parameter make: gets that path.
    func ask(
        _ deadline: BootInstant, _ make: (String) -> CloudflareCall
    ) async throws(CloudflareFault) -> CloudflareAnswer {
        let path: String
        do throws(Failure) {
            path = try await directory.path(deadline: deadline)
        } catch {
            throw .failed(error)
        }
        do throws(CloudflareFault) {
            return try await client.call(make(path), deadline: deadline)
        } catch {
            if case .refused(let refusal) = error, refusal.kind == .namespaceNotFound || refusal.kind == .badRoute {
                directory.forget()
            }
            throw error
        }
    }

    /// The version of a text that tells neither version nor time: another one for every other text, until the daemon
    /// starts again.
    func unversioned(_ text: Secret) -> String {
        let digest = Digest.sha256(versionKey + Digest.sha256(text))
        return "sum-" + Hex.text(Array(digest.prefix(16)))
    }
}

/// Which vault's a sealed record is.
enum CloudflareIdentity {
    /// Not of the account and the namespace, so that a copy of the records opens too.
    static func identity(_ kind: String, _ prefix: String) -> [UInt8] {
        let parts = ["coffer vault identity v1", kind, prefix].map { Array($0.utf8) }
        let list = parts.flatMap { part in
            [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: part.count >> $0) } + part
        }
        return Array(Digest.sha256(list).prefix(16))
    }
}
