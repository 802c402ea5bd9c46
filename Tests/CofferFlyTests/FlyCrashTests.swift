import CofferCore
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Foundation
import Synchronization
import Testing

@testable import CofferCrypto
@testable import CofferFly

/// Stops, lost answers and disks that fail, between the file and the API.
@Suite(.timeLimit(.minutes(1))) struct FlyCrashTests {
    private let fixture = FlyFixture(disk: FlyDisk())
    private let name = "CONNECTOR_user123_conn456"

    private func served(_ vault: FlyVault? = nil) async throws -> String? {
        try await (vault ?? (try fixture.vault())).text(fixture, try fixture.key())
    }

    private func store(_ text: String, _ vault: FlyVault? = nil) async -> Failure? {
        await fixture.failure { () throws(Failure) in
            let opened: FlyVault
            if let vault { opened = vault } else { opened = try fixture.vault() }
            try await opened.put(text, fixture, try fixture.key())
        }
    }

    private func key() throws -> VaultKey { try fixture.key() }

    /// As `kill -9` leaves it: the file says that a Store was being sent.
    private func crash(_ text: String, arrives: Bool) async throws {
        fixture.fake.plan("POST secrets", arrives ? .lost : .unsent)
        let failure = await store(text)
        #expect(FailedWrite.violation(in: failure, mayHaveWritten: true) == nil)
    }

    /// Nobody was told that it is stored: it is served like anybody else's, once an update has brought it in.
    @Test func aStoreWithoutAnAnswerIsServedOnceTheEnvironmentHasIt() async throws {
        #expect(await store("old") == nil)
        try await crash("new", arrives: true)
        #expect(fixture.fake.values == [name: "new"])
        #expect(try await served() == "old")
        fixture.deploy()
        fixture.fake.plan("GET secrets", 503)
        let vault = try fixture.vault()
        #expect(try await served(vault) == "old")
        fixture.advance(milliseconds: 5_000)
        #expect(try await served(vault) == "new")
        #expect(fixture.files == [])
    }

    @Test func aStoreThatDidNotReachTheAPIIsNeverServed() async throws {
        #expect(await store("old") == nil)
        try await crash("new", arrives: false)
        #expect(try await served() == "old")
        fixture.deploy()
        #expect(try await served() == "old")
        try await fixture.vault().check(deadline: fixture.deadline)
        #expect(fixture.files == [] && fixture.fake.values == [name: "old"])
    }

    /// A change at the API proves only that somebody wrote: here, the operator, after a Store that was never sent.
    @Test(arguments: [nil, "ours"] as [String?])
    func whatAnotherProgramDeploysAfterALostStoreIsServed(_ acknowledged: String?) async throws {
        fixture.environment { $0[name] = Secret("old") }
        if let acknowledged { #expect(await store(acknowledged) == nil) }
        try await crash("new", arrives: false)
        fixture.fake.set(name, "theirs")
        fixture.deploy()
        for _ in 1...2 { #expect(try await served() == "theirs") }
        #expect(fixture.files == [])
    }

    /// The Store that got no answer may be what has changed the secret; what the update took may be older than both.
    @Test func aLostStoreDoesNotBringBackWhatIsOlderThanTheLastAcknowledged() async throws {
        fixture.environment { $0[name] = Secret("old") }
        #expect(await store("ours") == nil)
        try await crash("new", arrives: true)
        fixture.updateWithout()
        for _ in 1...2 { #expect(try await served() == "ours") }
        fixture.deploy()
        #expect(try await served() == "new")
    }

    @Test func aLostDeleteIsServedOnceTheEnvironmentHasIt() async throws {
        for arrives in [false, true] {
            let fixture = FlyFixture()
            fixture.fake.set(name, "old")
            fixture.deploy()
            fixture.fake.plan("DELETE secrets", arrives ? .lost : .unsent)
            let key = try fixture.key()
            let vault = try fixture.vault()
            let failure = await fixture.failure { () throws(Failure) in
                try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline)
            }
            #expect(FailedWrite.violation(in: failure, mayHaveWritten: true) == nil)
            #expect(try await fixture.vault().text(fixture, key) == "old")
            fixture.deploy()
            #expect(try await fixture.vault().text(fixture, key) == (arrives ? nil : "old"))
            #expect(fixture.files == [])
        }
    }

    /// Nothing is acknowledged by what a list shows: another Machine may have changed the secret in between.
    @Test func aStoreThatIsRepeatedIsSentAgain() async throws {
        let vault = try fixture.vault()
        fixture.fake.plan("POST secrets", .unsent)
        #expect(await store("new", vault) != nil)
        fixture.fake.set(name, "by another")
        fixture.fake.forget()
        #expect(await store("new", vault) == nil)
        #expect(fixture.fake.calls == ["GET secrets", "POST secrets/\(name)"] && fixture.fake.values == [name: "new"])
        #expect(try await served(vault) == "new")
        #expect(try await served() == "new")
    }

    /// A Delete is sent whatever the list says, and what arrives after it does not bring the record back.
    @Test func aDeleteAfterALostStoreIsSentAndStays() async throws {
        let vault = try fixture.vault()
        fixture.fake.plan("POST secrets", .late)
        #expect(await store("new", vault) != nil)
        fixture.fake.forget()
        #expect(try await vault.remove(key(), ifVersion: nil, deadline: fixture.deadline) == false)
        #expect(fixture.fake.calls == ["GET secrets", "DELETE secrets/\(name)"])
        fixture.fake.land()
        #expect(try await served() == nil)
        fixture.deploy()
        for _ in 1...2 { #expect(try await served() == nil) }
    }

    @Test func aStoreAfterALostStoreStaysWhateverArrivesLater() async throws {
        let vault = try fixture.vault()
        fixture.fake.plan("POST secrets", .late)
        #expect(await store("first", vault) != nil)
        #expect(await store("second", vault) == nil)
        fixture.fake.land()
        #expect(fixture.fake.values == [name: "first"])
        fixture.deploy()
        for _ in 1...2 { #expect(try await served() == "second") }
        // But what another program deploys counts.
        fixture.fake.set(name, "theirs")
        fixture.deploy()
        #expect(try await served() == "theirs")
    }

    /// The last Store was not sent at all, and the lost one before it arrives: neither is taken for the other.
    @Test func aLostStoreIsNotTakenForALaterOne() async throws {
        fixture.fake.set(name, "old")
        fixture.deploy()
        let vault = try fixture.vault()
        fixture.fake.plan("POST secrets", .late)
        #expect(await store("first", vault) != nil)
        try await crash("second", arrives: false)
        fixture.fake.land()
        fixture.deploy()
        #expect(try await served() == "first")
    }

    /// As the pool repeats it: the answer is that of the one that arrived.
    @Test func aDeleteThatIsRepeatedSaysThatARecordWasThere() async throws {
        fixture.fake.set(name, "staged by another")
        let vault = try fixture.vault()
        fixture.fake.plan("DELETE secrets", .lost)
        let key = try key()
        let failure = await fixture.failure { () throws(Failure) in
            try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline)
        }
        #expect(failure?.mayHaveWritten == true)
        fixture.fake.catchUp()
        #expect(try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline))
        #expect(try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline) == false)
    }

    /// An answer that does not name the version of the secrets is not the API's.
    @Test func anAnswerWithoutAVersionAcknowledgesNothing() async throws {
        let vault = try fixture.vault()
        fixture.fake.state.withLock { $0.tellsVersions = false }
        let failure = await store("new", vault)
        #expect(failure?.code == .internal)
        #expect(FailedWrite.violation(in: failure, mayHaveWritten: true) == nil)
        #expect(try await served(vault) == nil)
    }

    @Test(arguments: FailedWrite.transport)
    func aFailedCallSaysWhetherItMayHaveHappened(_ row: FailedWrite) async throws {
        guard case .error(let error) = row.fault else { return }
        for call in ["POST secrets", "DELETE secrets"] {
            let fixture = FlyFixture()
            fixture.fake.set(name, "old")
            fixture.fake.plan(call, .error(error))
            let (vault, key) = (try fixture.vault(), try fixture.key())
            let failure = await fixture.failure { () throws(Failure) in
                if call.hasPrefix("POST") { return try await vault.put("new", fixture, key) }
                _ = try await vault.remove(key, ifVersion: nil, deadline: fixture.deadline)
            }
            #expect(FailedWrite.violation(in: failure, mayHaveWritten: row.mayHaveWritten) == nil)
        }
    }

    /// What the API refused leaves nothing behind, and what was there before it stays.
    @Test func aRefusedStoreLeavesWhatWasThere() async throws {
        #expect(await store("old") == nil)
        let before = fixture.files
        fixture.fake.plan("POST secrets", 422)
        let vault = try fixture.vault()
        #expect(await store("new", vault)?.code == .invalidArgument)
        #expect(try await served(vault) == "old")
        #expect(try await served() == "old")
        #expect(fixture.files == before)
    }

    // MARK: Files

    private func disk(failing failures: Set<Int>) -> FlyDisk {
        let count = Mutex(0)
        var disk = FlyDisk()
        disk.replace = { path, bytes throws(KeyError) in
            let number = count.withLock { count in
                count += 1
                return count
            }
            if failures.contains(number) {
                throw KeyError(.system, "cannot write \(path): No space left on device", isOfHost: true)
            }
            try ProtectedFile.replace(path, by: bytes)
        }
        return disk
    }

    @Test func aFullDiskKeepsAStoreFromBeingSent() async throws {
        let vault = try fixture.vault(disk: disk(failing: [1]))
        let failure = await store("new", vault)
        #expect(failure?.code == .resourceExhausted && failure?.reason == .disk && failure?.mayHaveWritten == false)
        #expect(failure?.message.contains("No space left on device; what is written must survive a restart") == true)
        #expect(fixture.fake.calls == ["GET secrets"] && fixture.files == [])
        #expect(await store("new", vault) == nil)
    }

    /// The API has it, and nobody was told: before and after a restart the same is served, and a repetition makes it good.
    @Test func aDiskThatFillsUpAfterTheCallIsTold() async throws {
        #expect(await store("old") == nil)
        let vault = try fixture.vault(disk: disk(failing: [2]))
        let failure = await store("new", vault)
        #expect(failure?.reason == .disk)
        #expect(FailedWrite.violation(in: failure, mayHaveWritten: true) == nil)
        #expect(try await served(vault) == "old")
        #expect(try await served() == "old")
        #expect(await store("new", vault) == nil)
        #expect(try await served() == "new")
    }

    @Test func filesAreTheOwnersAlone() async throws {
        #expect(await store("new") == nil)
        let mode = { (path: String) in
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }
        let file = try #require(fixture.files.first)
        #expect(try mode("\(fixture.folder)/\(file)") == 0o600)
        #expect(try mode(fixture.folder) == 0o700)
        let content = try Data(contentsOf: URL(filePath: "\(fixture.folder)/\(file)"))
        for text in ["new", "user123", "CONNECTOR"] { #expect(content.range(of: Data(text.utf8)) == nil) }
    }

    @Test(arguments: [0o640, 0o604])
    func aFileThatIsOpenToOthersStopsTheStart(_ mode: Int) async throws {
        #expect(await store("new") == nil)
        let path = "\(fixture.folder)/\(try #require(fixture.files.first))"
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
        let failure = #expect(throws: Failure.self) { try fixture.vault() }
        #expect(failure?.code == .failedPrecondition && failure?.message.contains("open to others; chmod 0600 it") == true)
    }

    @Test func aFolderThatOthersMayWriteToStopsTheStart() async throws {
        #expect(await store("new") == nil)
        try FileManager.default.setAttributes([.posixPermissions: 0o770], ofItemAtPath: fixture.folder)
        let failure = #expect(throws: Failure.self) { try fixture.vault() }
        #expect(failure?.message.contains("that nobody else may write to; chown and chmod 0700 it") == true)
    }

    /// Another root key, or files that were copied from another app's Machine: nothing is served in their place, all else is,
    /// and with the right key they open again.
    @Test func filesOfAnotherKeyOrAppAreTheFailureOfTheirRecords() async throws {
        fixture.environment { $0["CONNECTOR_a_b"] = Secret("deployed") }
        #expect(await store("new") == nil)
        let sealer = RecordSealer(keys: FlyFixture.ring("b"), environment: "test", clock: fixture.manual, random: SystemRandom())
        let elsewhere = RecordSealer(keys: FlyFixture.keys, environment: "other", clock: fixture.manual, random: SystemRandom())
        let key = try key()
        for (sealer, app) in [(sealer, FakeFly.app), (elsewhere, FakeFly.app), (nil, "other")] as [(RecordSealer?, String)] {
            let vault = try fixture.vault(sealer: sealer, app: app)
            #expect(vault.findings?.hasPrefix("files in \(fixture.folder) that do not open: 1;") == true)
            let failure = await fixture.failure { () throws(Failure) in try await vault.read(key, deadline: fixture.deadline) }
            #expect(failure?.code == .dataLoss && failure?.isOfOneRecord == true)
            #expect(try await vault.text(fixture, fixture.key("a", "b")) == "deployed")
        }
        #expect(try await served() == "new")
        #expect(try fixture.vault().findings == nil)
    }

    private func damage(_ path: String) throws {
        var content = try Data(contentsOf: URL(filePath: path))
        content[content.count - 20] ^= 1
        try content.write(to: URL(filePath: path))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
    }

    /// What the file had may be newer than the environment: a Store that the API has not acknowledged does not end that.
    @Test(arguments: [422, 503])
    func aStoreThatFailsLeavesADamagedFile(_ status: Int) async throws {
        fixture.environment { $0[name] = Secret("old") }
        #expect(await store("ours") == nil)
        let file = try #require(fixture.files.first)
        let path = "\(fixture.folder)/\(file)"
        try damage(path)
        let content = try Data(contentsOf: URL(filePath: path))
        let vault = try fixture.vault()
        fixture.fake.plan("POST secrets", status)
        #expect(await store("new", vault) != nil)
        let after = try Data(contentsOf: URL(filePath: path))
        #expect(fixture.files == [file] && after == content)
        let key = try key()
        for vault in [vault, try fixture.vault()] {
            let failure = await fixture.failure { () throws(Failure) in try await vault.read(key, deadline: fixture.deadline) }
            #expect(failure?.code == .dataLoss)
        }
        #expect(await store("new", vault) == nil)
        #expect(try await served(vault) == "new")
        #expect(try await served() == "new")
    }

    @Test func oneDamagedFileAmongGoodOnesIsThatOfOneRecord() async throws {
        let other = try fixture.key("user123", "good")
        #expect(await store("new") == nil)
        let path = "\(fixture.folder)/\(try #require(fixture.files.first))"
        try await fixture.vault().put("good", fixture, other)
        try damage(path)
        let vault = try fixture.vault()
        let key = try key()
        let failure = await fixture.failure { () throws(Failure) in try await vault.read(key, deadline: fixture.deadline) }
        #expect(failure?.code == .dataLoss && failure?.isOfOneRecord == true && failure?.message.contains(path) == true)
        #expect(try await vault.text(fixture, other) == "good")
        let page = try await vault.list(user: nil, after: nil, limit: 10, deadline: fixture.deadline)
        // The environment lacks it, and the file tells no name: the API does.
        #expect(page.entries.count == 2 && page.entries.count(where: { (try? $0.item.get()) == nil }) == 1)
        // Stored again, it is whole.
        #expect(await store("newer", vault) == nil)
        #expect(try await served(vault) == "newer")
        #expect(try await served() == "newer")
    }

    @Test func aFileUnderAnotherNameDoesNotOpen() async throws {
        #expect(await store("new") == nil)
        try await fixture.vault().put("good", fixture, fixture.key("user123", "good"))
        let files = fixture.files
        let paths = files.map { "\(fixture.folder)/\($0)" }
        let content = try Data(contentsOf: URL(filePath: paths[0]))
        try content.write(to: URL(filePath: paths[1]))
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: paths[1])
        let damaged = try fixture.vault().state.withLock { $0.damaged }
        #expect(damaged == [paths[1]])
    }
}
