import SwiftProtobuf
import Synchronization
import Testing

@testable import Coffer

@Suite("The client's face, against a daemon in memory")
struct ClientTests {
    private func withMemoryDaemon(
        _ body: (CofferClient<UnixSocketChannel>) async throws -> Void
    ) async throws {
        let memory = MemoryDaemon()
        try await withDaemon(memory.serve) { client, _ in try await body(client) }
    }

    @Test func storeGetDelete() async throws {
        try await withMemoryDaemon { client in
            let secret = Credential([UInt8](0...255))
            let receipt = try await client.store(
                secret, user: "u", connection: "c", timeToLive: .milliseconds(1_500), labels: ["env": "test"])
            #expect(receipt.createdAtMilliseconds == 1 && receipt.updatedAtMilliseconds == 2)
            #expect(receipt.expiresAtMilliseconds == 2_000)

            let record = try await client.credential(user: "u", connection: "c")
            #expect(record.credential == secret)
            #expect(record.version == receipt.version)
            #expect(record.labels == ["env": "test"])
            #expect(record.source == .vault)

            let existed = try await client.delete(user: "u", connection: "c")
            #expect(existed)
            let existedStill = try await client.delete(user: "u", connection: "c")
            #expect(!existedStill)
            let error = await #expect(throws: CofferError.self) {
                try await client.credential(user: "u", connection: "c")
            }
            #expect(error?.code == .notFound && error?.reason == .notFound)
        }
    }

    @Test func conditionalStores() async throws {
        try await withMemoryDaemon { client in
            let secret = Credential("s".utf8)
            let first = try await client.store(secret, user: "u", connection: "c", condition: .absent)
            let again = await #expect(throws: CofferError.self) {
                try await client.store(secret, user: "u", connection: "c", condition: .absent)
            }
            #expect(again?.code == .alreadyExists)
            try await client.store(secret, user: "u", connection: "c", condition: .version(first.version))
            let stale = await #expect(throws: CofferError.self) {
                try await client.store(secret, user: "u", connection: "c", condition: .version(first.version))
            }
            #expect(stale?.code == .aborted && stale?.reason == .versionMismatch)
        }
    }

    @Test(arguments: [1, 7, 256, 300])
    func manyCredentialsInTheOrderOfTheKeys(count: Int) async throws {
        try await withMemoryDaemon { client in
            for index in stride(from: 0, to: count, by: 2) {
                try await client.store(Credential("s\(index)".utf8), user: "u", connection: "\(index)")
            }
            let keys = (0..<count).map { CredentialKey(user: "u", connection: "\($0)") }
            let results = try await client.credentials(keys)
            #expect(results.count == count)
            for (index, result) in results.enumerated() {
                switch result {
                case .success(let record):
                    #expect(index.isMultiple(of: 2) && record.credential == Credential("s\(index)".utf8))
                case .failure(let error): #expect(!index.isMultiple(of: 2) && error.code == .notFound)
                }
            }
        }
    }

    @Test(arguments: [0, 1, 3, 100] as [UInt32])
    func listCollectsAllPages(pageSize: UInt32) async throws {
        try await withMemoryDaemon { client in
            for index in 0..<7 { try await client.store(Credential("s".utf8), user: "u", connection: "\(index)") }
            try await client.store(Credential("s".utf8), user: "other", connection: "x")
            var connections: [String] = []
            for try await entry in client.list(user: "u", pageSize: pageSize) {
                connections.append(entry.key.connection)
            }
            #expect(connections == ["0", "1", "2", "3", "4", "5", "6"])
        }
    }

    @Test func anEntryThatCannotBeReadHasItsOwnError() async throws {
        let script: FakeDaemon.Script = { peer, _ in
            let call = try peer.read().header.callID
            try peer.respond(
                call,
                Coffer_V1_ListResponse.with { response in
                    response.entries = [
                        .with {
                            $0.userID = "u"
                            $0.connectionID = "good"
                            $0.version = "v"
                        },
                        .with {
                            $0.userID = "u"
                            $0.status = 15
                            $0.failure = .with {
                                $0.reason = .unreadableRecord
                                $0.message = "does not open"
                            }
                        },
                    ]
                })
            _ = try peer.read()
        }
        try await withDaemon(script) { client, _ in
            var entries: [ConnectionEntry] = []
            for try await entry in client.list(user: "u") { entries.append(entry) }
            #expect(entries.map(\.key.connection) == ["good", ""])
            #expect(entries[0].error == nil)
            #expect(entries[1].error?.code == .dataLoss && entries[1].error?.reason == .unreadableRecord)
            #expect(entries[1].error?.message == "does not open" && entries[1].version == "")
        }
    }

    @Test func adminCalls() async throws {
        try await withMemoryDaemon { client in
            let health = try await client.health()
            #expect(health.isServing)
            try await client.store(Credential("s".utf8), user: "u", connection: "c")
            let identity = try await client.ping()
            #expect(
                identity
                    == DaemonIdentity(
                        version: "1.2.3", instance: "0123456789abcdef", isDraining: true, maximumFrameBytes: 1_114_112,
                        maximumCredentialBytes: 65_536, maximumWaitingCalls: 1_024, maximumKeys: 256,
                        maximumTimeout: .seconds(60), features: 1 << 63))
            let stats = try await client.stats()
            #expect(stats == ["records": 1])
            let dropped = try await client.invalidate(.key(CredentialKey(user: "u", connection: "c")))
            #expect(dropped == 1)
        }
    }

    @Test func healthTellsOfEachVault() async throws {
        try await withMemoryDaemon { client in
            let vaults = try await client.health().vaults
            #expect(vaults.count == 2)
            let vault = vaults[0]
            #expect(vault.name == "main")
            #expect(vault.kind == "vault")
            #expect(vault.format == "json")
            #expect(vault.routes == ["user=* connection=*"])
            #expect(!vault.isReachable)
            #expect(vault.lastGoodContactMilliseconds == nil)
            #expect(vault.lastFailure == .vaultUnreachable)
            #expect(vault.lastFailureMilliseconds == 5)
            #expect(vault.breaker == .open(retryIn: .milliseconds(1_500)))
            #expect([vault.inFlight, vault.queued, vault.calls] == [1, 2, 3])
            #expect([vault.failures, vault.retries, vault.refusals] == [4, 6, 7])
            #expect(vault.writes == .fail(.vaultRefused))
            #expect(vaults[1].breaker == .unknown, "a state of a later daemon")
            #expect(vaults[1].writes == .unknown)
        }
    }

    @Test func anExaminationTellsOfEachStep() async throws {
        try await withMemoryDaemon { client in
            let found = try await client.examineVaults("main")
            let unreachable = CofferError(
                .unavailable, .vaultUnreachable, "out of reach", vault: "main", isRetryable: true)
            #expect(found.map(\.name) == ["main"])
            #expect(found.map(\.kind) == ["vault"])
            #expect(found.first?.failure == unreachable)
            let steps = found.flatMap(\.steps)
            #expect(steps.map(\.action) == [.store, .get, .compare, .delete])
            #expect(steps.map(\.outcome) == [.done, .failed(unreachable), .skipped, .done])
            #expect(steps.map(\.advice) == ["", "Is it running?", "", ""])
            #expect(steps.first?.duration == .microseconds(20))
        }
    }

    @Test("A listing in which a page token comes again ends", arguments: [
        (0, 1), (0, 2), (3, 1), (2, 5), (40, 7),
    ])
    func circularListings(lead: Int, circle: Int) async throws {
        let asked = Mutex(0)
        let script: FakeDaemon.Script = { peer, _ in
            while true {
                let request = try peer.read()
                asked.withLock { $0 += 1 }
                let token = try request.message(Coffer_V1_ListRequest.self).pageToken
                let page = (Int(token) ?? -1) + 1
                let next = page < lead + circle ? page : lead
                try peer.respond(
                    request.header.callID, Coffer_V1_ListResponse.with { $0.nextPageToken = "\(next)" })
            }
        }
        try await withDaemon(script) { client, _ in
            var entries = client.list(user: "u").makeAsyncIterator()
            let error = await #expect(throws: CofferError.self) { try await entries.next() }
            #expect(error?.code == .internal && error?.reason == .malformed)
            #expect(asked.withLock(\.self) < 3 * (lead + circle) + 2)
            // One that has failed is at its end.
            let after = try await entries.next()
            #expect(after == nil)
        }
    }

    @Test func aLongListingIsReadToItsEnd() async throws {
        let script: FakeDaemon.Script = { peer, _ in
            while true {
                let request = try peer.read()
                let page = (Int(try request.message(Coffer_V1_ListRequest.self).pageToken) ?? 0) + 1
                let response = Coffer_V1_ListResponse.with {
                    $0.entries = [.with { $0.connectionID = "\(page)" }]
                    $0.nextPageToken = page < 300 ? "\(page)" : ""
                }
                try peer.respond(request.header.callID, response)
            }
        }
        try await withDaemon(script) { client, _ in
            var found: [String] = []
            for try await entry in client.list(user: "u") { found.append(entry.key.connection) }
            #expect(found == (1...300).map(String.init))
        }
    }

    @Test("A batch with a result too many, twice, contradictory or missing is refused", arguments: [
        [0, 1, 2], [0, 0], [1], [1_000_000, 0],
    ] as [[UInt32]])
    func brokenBatches(indexes: [UInt32]) async throws {
        let script: FakeDaemon.Script = { peer, _ in
            let call = try peer.read().header.callID
            let response = Coffer_V1_GetManyResponse.with { response in
                response.results = indexes.map { index in
                    .with {
                        $0.index = index
                        $0.record = .init()
                    }
                }
            }
            try peer.respond(call, response)
            _ = try peer.read()
        }
        try await withDaemon(script) { client, _ in
            let error = await #expect(throws: CofferError.self) {
                try await client.credentials([.init(user: "u", connection: "1"), .init(user: "u", connection: "2")])
            }
            #expect(error?.code == .internal && error?.reason == .malformed)
        }
    }

    @Test(arguments: [Duration.zero, .seconds(-1), .seconds(1 << 33)])
    func timeToLiveOutOfRange(duration: Duration) async throws {
        let client = CofferClient(socketPath: "/nonexistent/coffer.sock")
        let error = await #expect(throws: CofferError.self) {
            try await client.store(Credential("s".utf8), user: "u", connection: "c", timeToLive: duration)
        }
        #expect(error?.code == .invalidArgument)
    }
}
