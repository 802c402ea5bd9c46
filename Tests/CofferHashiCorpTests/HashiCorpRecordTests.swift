import CofferCore
import CofferCrypto
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferHashiCorp

/// What is written where, in which order, and what is made of answers.
@Suite(.timeLimit(.minutes(1))) struct HashiCorpRecordTests {
    private static let path = "/v1/secret/data/ai2-connectors/u/c"
    private static let metadata = "/v1/secret/metadata/ai2-connectors/u/c"
    private static let created: WallMilliseconds = 1_795_622_011_123

    private static func stored(_ version: String, expires: WallMilliseconds = 0) -> String {
        #"{"coffer":"\#(Envelope.text([1, 2, 3]))","version":"\#(version)","created":5,"updated":6,"expires":\#(expires)}"#
    }

    @Test func aFirstWriteIsMetadataThenData() async throws {
        let bed = try Bed { request, _ in request.method == .get ? .absent : .written(1) }
        let item = bed.sealed(seconds: 100)
        #expect(try await bed.write(item) == item.updatedAt)
        #expect(
            bed.lines == [
                "GET \(Self.path)", "GET \(Self.metadata)", "POST \(Self.metadata)", "POST \(Self.path)",
            ])
        let bodies = bed.transport.requests.filter { $0.method == .post }.map(\.text)
        let created = Timestamp.text(item.updatedAt)
        #expect(
            bodies[0]
                == #"{"custom_metadata":{"coffer_delete_after":"160s","connection":"c","created":"\#(created)","user":"u"},"delete_version_after":"160s"}"#
        )
        let time = item.updatedAt
        #expect(
            bodies[1]
                == #"{"data":{"coffer":"coffer1:AQID","version":"v1","created":\#(time),"updated":\#(time),"expires":\#(time + 100_000)}}"#
        )
    }

    @Test func anotherWriteOfTheSameKindIsDataAlone() async throws {
        let custom =
            #"{"created":"1970-01-01T00:00:00.005Z","user":"u","connection":"c","coffer_delete_after":"0s","owner":"ops"}"#
        let bed = try Bed { request, _ in
            request.method == .get ? .kv(Self.stored("v1"), version: 3, custom: custom) : .written(4)
        }
        #expect(try await bed.write(bed.sealed("v2"), .ifVersion("v1")) == 5)
        #expect(bed.lines == ["GET \(Self.path)", "POST \(Self.path)"])
        #expect(bed.transport.requests.last?.text.hasSuffix(#","options":{"cas":3}}"#) == true)
    }

    @Test func conditionsAreCheckedBeforeAnythingIsWritten() async throws {
        let bed = try Bed { _, _ in .kv(Self.stored("v1")) }
        do {
            let error = await failure { () async throws(Failure) in try await bed.write(bed.sealed(), .ifAbsent) }
            #expect(error == .alreadyExists)
        }
        do {
            let error = await failure { () async throws(Failure) in try await bed.write(bed.sealed(), .ifVersion("v2"))
            }
            #expect(error == .versionMismatch)
        }
        #expect(bed.lines == ["GET \(Self.path)", "GET \(Self.path)"])
    }

    @Test(arguments: [HTTPResponse.absent, .tombstone(version: 7), .kv(stored("v1", expires: 1), version: 7)])
    func absentInEveryWayIsAbsent(answer: HTTPResponse) async throws {
        let bed = try Bed(writesMetadata: false) { request, _ in request.method == .get ? answer : .written(8) }
        #expect(try await bed.read() == nil)
        do {
            let error = await failure { () async throws(Failure) in try await bed.write(bed.sealed(), .ifVersion("v1"))
            }
            #expect(error == .versionMismatch)
        }
        let item = bed.sealed()
        #expect(try await bed.write(item, .ifAbsent) == item.updatedAt)
        let version = answer.body.count < 20 ? 0 : 7
        #expect(bed.transport.requests.last?.text.hasSuffix("\"cas\":\(version)}}") == true)
    }

    /// Lost to another: the rule decides on what is there then.
    @Test func aLostRaceIsLookedAtAgain() async throws {
        let lost = HTTPResponse(400, #"{"errors":["check-and-set parameter did not match the current version"]}"#)
        let bed = try Bed(writesMetadata: false) { request, number in
            if request.method == .post { return lost }
            return number < 2 ? .absent : .kv(Self.stored("other"))
        }
        do {
            let error = await failure { () async throws(Failure) in try await bed.write(bed.sealed(), .ifAbsent) }
            #expect(error == .alreadyExists)
        }
    }

    @Test func aMountThatWantsCheckAndSetGetsIt() async throws {
        let wanted = HTTPResponse(400, #"{"errors":["check-and-set parameter required for this call"]}"#)
        let bed = try Bed(writesMetadata: false) { request, _ in
            guard request.method == .post else { return .kv(Self.stored("v1"), version: 3) }
            return request.text.contains("cas") ? .written(4) : wanted
        }
        _ = try await bed.write(bed.sealed())
        #expect(bed.lines.count { $0.hasPrefix("POST") } == 2)
        bed.vault.recent.forget("ai2-connectors/u/c")
        _ = try await bed.write(bed.sealed())
        #expect(bed.lines.count { $0.hasPrefix("POST") } == 3)
    }

    /// What is cached of the key is kept for calls that changed nothing.
    @Test func whatFailsAfterAChangeWasSent() async throws {
        let removing = try Bed { request, _ throws(HTTPError) in
            if request.path.contains("/destroy/") { throw HTTPError(.refused, isUnsent: true) }
            return request.method == .post ? .written(4) : .kv(Self.stored("v1"), version: 3)
        }
        let removal = await failure { () async throws(Failure) in try await removing.remove("v1") }
        #expect(removal?.code == .unavailable)
        #expect(removal?.isUnsent == false)

        let writing = try Bed { request, _ throws(HTTPError) in
            guard request.method == .post else { return .absent }
            guard request.path == Self.path else { return HTTPResponse(204) }
            if request.text.contains("\"cas\":1") { throw HTTPError(.refused, isUnsent: true) }
            return .written(1, deletion: "2026-11-25T15:53:32.2Z")
        }
        let write = await failure { () async throws(Failure) in try await writing.write(writing.sealed()) }
        #expect(write?.code == .unavailable)
        #expect(write?.isUnsent == false)
    }

    /// Another writer's shorter time was there when ours was written.
    @Test func aVersionThatWouldGoTooEarlyIsWrittenAgain() async throws {
        let bed = try Bed { request, number in
            guard request.method == .post else { return .absent }
            guard request.path == Self.path else { return HTTPResponse(204) }
            return request.text.contains("\"cas\":1") ? .written(2) : .written(1, deletion: "2026-11-25T15:53:32.2Z")
        }
        _ = try await bed.write(bed.sealed())
        #expect(
            bed.lines.suffix(5) == [
                "POST \(Self.metadata)", "POST \(Self.path)", "GET \(Self.metadata)", "POST \(Self.metadata)",
                "POST \(Self.path)",
            ])
    }

    @Test func metadataThatIsForbiddenIsLeftOut() async throws {
        let bed = try Bed { request, _ in
            if request.path.hasSuffix("lookup-self") { return HTTPResponse(200, #"{"data":{"ttl":0}}"#) }
            if request.path == Self.metadata { return .denied }
            return request.method == .get ? .absent : .written(1)
        }
        _ = try await bed.write(bed.sealed())
        bed.vault.recent.forget("ai2-connectors/u/c")
        _ = try await bed.write(bed.sealed())
        #expect(bed.lines.count { $0.hasSuffix(Self.metadata) } == 1)
    }

    @Test func aConditionalRemovalWritesThenDestroys() async throws {
        let bed = try Bed { request, _ in
            if request.method == .get { return .kv(Self.stored("v1"), version: 3) }
            return request.path == Self.path ? .written(4) : HTTPResponse(204)
        }
        #expect(try await bed.remove("v1"))
        #expect(bed.lines == ["GET \(Self.path)", "POST \(Self.path)", "POST /v1/secret/destroy/ai2-connectors/u/c"])
        let bodies = bed.transport.requests.filter { $0.method == .post }.map(\.text)
        #expect(bodies == [#"{"data":{"coffer":"removed"},"options":{"cas":3}}"#, #"{"versions":[1,2,3,4]}"#])
        bed.vault.recent.forget("ai2-connectors/u/c")
        let error = await failure { () async throws(Failure) in try await bed.remove("v2") }
        #expect(error == .versionMismatch)
    }

    @Test func removals() async throws {
        for (soft, line) in [(false, "DELETE \(Self.metadata)"), (true, "DELETE \(Self.path)")] {
            let bed = try Bed(softDelete: soft) { request, _ in
                request.method == .get ? .kv(Self.stored("v1")) : HTTPResponse(204)
            }
            #expect(try await bed.remove())
            #expect(bed.lines == ["GET \(Self.path)", line])
        }
        let bed = try Bed { request, _ in .absent }
        #expect(try await bed.remove() == false)
        #expect(bed.lines.count == 1)
    }

    // MARK: Values

    @Test(arguments: [
        #"{"apiKey":"x"}"#, #"{"coffer":1}"#, #"{"coffer":"x"}"#, #"{"coffer":"removed","a":1}"#, "{}",
        #"{"coffer":"00:00:00"}"#,
    ])
    func objectsOfOthersAreTexts(data: String) async throws {
        let bed = try Bed { _, _ in .kv(data, version: 3, deletion: "2096-11-25T16:00:00Z") }
        let item = try #require(try await bed.read())
        #expect(item.payload == .text(Secret(text: data)))
        #expect(item.version == "3-2026-11-25T15:53:31.123456789Z")
        #expect(item.createdAt == Self.created && item.updatedAt == Self.created && item.expiresAt == 4_004_697_600_000)
    }

    @Test func theOldEncryptionIsItsText() async throws {
        let text = String(repeating: "0a", count: 16) + ":" + String(repeating: "1b", count: 16) + ":2c"
        let bed = try Bed { _, _ in .kv(#"{"coffer":"\#(text)"}"#, custom: #"{"created":"1970-01-01T00:00:01Z"}"#) }
        let item = try #require(try await bed.read())
        #expect(item.payload == .text(Secret(text: text)) && item.createdAt == 1000 && item.expiresAt == 0)
        guard case .object(let members) = try HashiCorpValue.text(Secret(text: text)) else {
            return #expect(Bool(false))
        }
        #expect(members.map(\.name) == ["coffer"])
    }

    @Test(arguments: [
        #"{"coffer":"coffer1:A"}"#, #"{"coffer":"coffer1:AQID"}"#, #"{"coffer":"coffer1:AQ==","version":"v"}"#,
        #"{"coffer":"coffer1:AQID","version":""}"#, #"{"coffer":"coffer1:AQID","version":"v","created":-1}"#,
        #"{"coffer":"coffer1:AQID","version":"v","expires":"x"}"#, #"{"coffer":"coffer1:AQID","version":1}"#,
    ])
    func damagedRecordsAreUnreadable(data: String) async throws {
        let bed = try Bed(writesMetadata: false) { request, _ in request.method == .get ? .kv(data) : .written(2) }
        do {
            let error = await failure { () async throws(Failure) in try await bed.read() }
            #expect(error == .unreadable(vault: "v"))
        }
        // They are there all the same, and can be replaced.
        do {
            let error = await failure { () async throws(Failure) in try await bed.write(bed.sealed(), .ifAbsent) }
            #expect(error == .alreadyExists)
        }
        #expect(try await bed.write(bed.sealed()) > 0)
    }

    /// Bytes of good answers changed, cut and repeated at random: a failure or a
    /// value, never a trap.
    @Test func damageNeverTraps() async throws {
        var generator = SystemRandomNumberGenerator()
        let good = [
            HTTPResponse.kv(Self.stored("v1"), version: 3, custom: #"{"created":"1970-01-01T00:00:01Z","user":"u"}"#),
            .tombstone(version: 2), .kv(#"{"a":[1,{"b":null}]}"#), .written(3), .login("t", seconds: 60),
            HTTPResponse(200, #"{"data":{"keys":["a","b/","c=20"]}}"#), HTTPResponse(400, #"{"errors":["too large"]}"#),
        ]
        for _ in 0..<1000 {
            let answer = good.randomElement(using: &generator)!
            var bytes = Array(answer.body.string.utf8)
            for _ in 0..<Int.random(in: 0...3, using: &generator) where !bytes.isEmpty {
                let index = bytes.indices.randomElement(using: &generator)!
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(contentsOf: bytes[index...].prefix(20), at: index)
                default: bytes.replaceSubrange(index..<index + 1, with: Array("99999999999999999999".utf8))
                }
            }
            let body = bytes
            let status = [answer.status, 200, 404].randomElement(using: &generator)!
            let bed = try Bed { _, _ in HTTPResponse(status: status, body: Secret(copying: body.span.bytes)) }
            _ = await failure { () async throws(Failure) in try await bed.read() }
            _ = await failure { () async throws(Failure) in
                try await bed.vault.list(user: nil, after: nil, limit: 3, deadline: bed.deadline)
            }
            let answerRead = HashiCorpAnswer(HTTPResponse(status: status, body: Secret(copying: body.span.bytes)))
            _ = HashiCorpLogin.grant(in: answerRead)
            _ = HashiCorpLogin.remaining(in: answerRead)
            _ = HashiCorpRecord.written(answerRead)
        }
    }
}
