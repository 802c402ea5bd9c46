import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit

@testable import CofferCloudflare

struct CloudflareFixture: VaultFixture {
    let manual = ManualClock()
    let fake: FakeCloudflare
    var account: String? = FakeCloudflare.account
    var namespace = FakeCloudflare.namespace

    init() { fake = FakeCloudflare(clock: manual) }

    var clock: any Clock { manual }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }
    func open() throws -> any VaultAdapter { vault() }
    func reopen() throws -> (any VaultAdapter)? { vault() }

    func client(_ product: CloudflareProduct) -> CloudflareClient {
        CloudflareClient(
            transport: fake, root: "/client/v4", token: CloudflareToken(Secret("the-token")), product: product, vault: "kv")
    }

    /// Its clock goes on instead of a pause.
    func vault(pause: (@Sendable (Duration) async -> Void)? = nil) -> CloudflareVault {
        let manual = manual
        return CloudflareVault(
            name: "kv", client: client(.workersKV), account: account, namespace: namespace, prefix: "connectors",
            clock: manual, random: SystemRandom(),
            pause: pause ?? { manual.advance(milliseconds: UInt64($0.wholeNanoseconds / 1_000_000) + 1) })
    }

    func store(_ name: String? = FakeCloudflare.store, scopes: [String] = ["workers"]) -> CloudflareSecretsStore {
        CloudflareSecretsStore(
            name: "kv", client: client(.secretsStore), account: account, store: name, scopes: scopes, prefix: "c",
            clock: manual)
    }

    /// Of the clock that pauses advance.
    var deadline: BootInstant { manual.boot + .seconds(20) }

    func key(_ user: String = "user123", _ connection: String = "conn456") throws(Failure) -> VaultKey {
        VaultKey(key: try RecordKey(user: user, connection: connection), tag: [], userTag: [])
    }

    func item(
        _ version: String = "v1", _ payload: VaultPayload = .sealed([1, 2, 3]), expiresAt: WallMilliseconds = 0
    ) -> VaultItem {
        VaultItem(
            payload: payload, version: version, createdAt: manual.wall, updatedAt: manual.wall, expiresAt: expiresAt)
    }

    /// What `body` fails with.
    func failure<R>(_ body: () async throws(Failure) -> R) async -> Failure? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error
        }
    }
}

/// The write-only vault.
struct SecretsStoreFixture: VaultFixture {
    let inner = CloudflareFixture()
    var clock: any Clock { inner.clock }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { inner.advance(milliseconds: milliseconds) }
    func open() throws -> any VaultAdapter { inner.store() }
    func reopen() throws -> (any VaultAdapter)? { inner.store() }
}
