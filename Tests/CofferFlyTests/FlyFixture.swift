import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Foundation
import Synchronization

@testable import CofferCrypto
@testable import CofferFly

/// An app with one Machine, on which the daemon runs, and a data folder that survives its restarts.
final class FlyFixture: VaultFixture {
    let manual = ManualClock()
    let fake: FakeFly
    let data: String
    /// What the process's environment has; `restart` and `deploy` change it.
    private let surroundings = Mutex(FlyVault.Surroundings(secrets: [:], machineVersion: "01A"))
    private let updates = Mutex(0)
    private let disk: FlyDisk

    /// - Parameter disk: nil = one that does not wait for the disk itself: many tests at once would wait for each other.
    init(disk: FlyDisk? = nil) {
        self.disk = disk ?? Self.quickDisk
        fake = FakeFly(clock: manual)
        data = NSTemporaryDirectory() + "fly-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    }

    private static var quickDisk: FlyDisk {
        var disk = FlyDisk()
        disk.makeFolder = { path throws(KeyError) in
            try? FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        }
        disk.replace = { path, bytes throws(KeyError) in
            let isWritten = FileManager.default.createFile(
                atPath: path, contents: Data(bytes), attributes: [.posixPermissions: 0o600])
            guard isWritten else { throw KeyError(.system, "cannot write \(path)") }
        }
        disk.remove = { path throws(KeyError) in try? FileManager.default.removeItem(atPath: path) }
        return disk
    }

    deinit { try? FileManager.default.removeItem(atPath: data) }

    var clock: any Clock { manual }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }
    func open() throws -> any VaultAdapter { try vault() }
    func reopen() throws -> (any VaultAdapter)? { try vault() }

    var folder: String { data + "/fly" }
    var files: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted() }

    static let keys = ring("a")
    static func ring(_ letter: Character) -> KeyRing {
        let key = Secret(String(repeating: letter, count: 32))
        return KeyRing(base: key, terms: [KeyTerm(id: 1, name: "first", state: .active, createdAt: 0, key: key)])
    }

    /// What the process finds at its start.
    func environment(_ change: (inout [String: Secret]) -> Void) { surroundings.withLock { change(&$0.secrets) } }

    /// An update of the Machine, which brings in what the API has.
    func deploy() {
        fake.catchUp()
        boot(fake.values)
    }

    /// The Machine starts as of an update that fixed these secrets when it was asked for.
    func boot(_ values: [String: String]) {
        let update = updates.withLock { updates in
            updates += 1
            return updates
        }
        surroundings.withLock { surroundings in
            surroundings.secrets = values.mapValues { Secret($0) }
            surroundings.machineVersion = "01A\(update)"
        }
    }

    /// An update that takes no newer secrets than the ones before: as if the API's replicas lagged.
    func updateWithout(_ secrets: [String: Secret]? = nil) {
        surroundings.withLock { surroundings in
            surroundings.machineVersion += "+"
            if let secrets { surroundings.secrets = secrets }
        }
    }

    /// The Machine's version is not known: the daemon is in none.
    func leaveTheMachine() { surroundings.withLock { $0.machineVersion = "" } }

    var client: FlyClient {
        FlyClient(
            transport: fake, root: "", app: FakeFly.app, token: FlyToken(Secret("Bearer the-token")), vault: "fly", clock: manual)
    }

    func vault(
        client: FlyClient?? = nil, sealer: RecordSealer? = nil, app: String = FakeFly.app, disk: FlyDisk? = nil,
        deployment: FlyDeployment? = nil
    ) throws(Failure) -> FlyVault {
        let sealer = sealer ?? RecordSealer(keys: Self.keys, environment: "test", clock: manual, random: SystemRandom())
        return try FlyVault(
            name: "fly", surroundings.withLock { $0 }, client: client ?? self.client, missing: "there is no API token",
            files: FlyFiles(
                folder: folder, sealer: sealer, identity: FlyVault.identity, app: app, vault: "fly", clock: manual,
                disk: disk ?? self.disk),
            deployment: deployment, clock: manual, random: SystemRandom())
    }

    var deadline: BootInstant { manual.boot + .seconds(20) }

    func key(_ user: String = "user123", _ connection: String = "conn456") throws(Failure) -> VaultKey {
        VaultKey(key: try RecordKey(user: user, connection: connection), tag: [], userTag: [])
    }

    /// A text, as in the format json: what the guide's program reads.
    func item(_ text: String, _ version: String = "v1") -> VaultItem {
        VaultItem(
            payload: .text(Secret(text)), version: version, createdAt: manual.wall, updatedAt: manual.wall, expiresAt: 0)
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

extension FlyVault {
    /// The text of the record; nil if there is none.
    func text(_ fixture: FlyFixture, _ key: VaultKey) async throws(Failure) -> String? {
        guard case .text(let text) = try await read(key, deadline: fixture.deadline)?.payload else { return nil }
        return text.text
    }

    func put(_ text: String, _ fixture: FlyFixture, _ key: VaultKey) async throws(Failure) {
        _ = try await write(key, fixture.item(text, text), condition: .none, deadline: fixture.deadline)
    }
}
