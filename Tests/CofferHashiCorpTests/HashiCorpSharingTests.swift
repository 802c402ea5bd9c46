import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Testing

@testable import CofferHashiCorp

/// A vault that others use too, in ways of their own: metadata, engines, names and JSON.
@Suite(.timeLimit(.minutes(1))) struct HashiCorpSharingTests {
    private static let path = "/v1/secret/data/ai2-connectors/u/c"
    private static let metadata = "/v1/secret/metadata/ai2-connectors/u/c"

    private static func key(custom: String, after: String) -> HTTPResponse {
        HTTPResponse(200, #"{"data":{"custom_metadata":\#(custom),"delete_version_after":"\#(after)"}}"#)
    }

    /// Members of others, and their time, are there before and after: also beside a key
    /// that has no version yet, or whose last one is gone.
    @Test(arguments: [HTTPResponse.absent, .tombstone(version: 3)])
    func whatOthersSaidOfAKeyStays(answer: HTTPResponse) async throws {
        let bed = try Bed { request, _ in
            switch (request.method, request.path) {
            case (.get, Self.metadata): Self.key(custom: #"{"owner":"ops","created":"old"}"#, after: "720h0m0s")
            case (.get, _): answer
            default: .written(4, deletion: "2026-12-25T15:53:31.123456789Z")
            }
        }
        _ = try await bed.write(bed.sealed())
        let posts = bed.transport.requests.filter { $0.method == .post }
        #expect(posts.count == 2)
        let created = Timestamp.text(bed.time.wall)
        #expect(
            posts[0].text
                == #"{"custom_metadata":{"coffer_delete_after":"0s","connection":"c","created":"\#(created)","owner":"ops","user":"u"},"delete_version_after":"2592000s"}"#
        )
    }

    /// A shorter time of ours takes the place of theirs, which comes back after it.
    @Test func theTimeOfOthersComesBack() throws {
        let key = try RecordKey(user: "u", connection: "c")
        let theirs = HashiCorpMetadata(custom: nil, lifetime: 3600)
        let brief = theirs.changed(for: key, created: 5, lifetime: 160)
        #expect(brief.lifetime == 160)
        #expect(brief == brief.changed(for: key, created: 5, lifetime: 160))
        #expect(brief.changed(for: key, created: 5, lifetime: 0).lifetime == 3600)
        #expect(brief.changed(for: key, created: 5, lifetime: 9000).lifetime == 3600)
        let ours = HashiCorpMetadata().changed(for: key, created: 5, lifetime: 160)
        #expect(ours.lifetime == 160)
        #expect(ours.changed(for: key, created: 5, lifetime: 0).lifetime == 0)
        #expect(
            ours.changed(for: key, created: 5, lifetime: 0).changed(for: key, created: 5, lifetime: 70).lifetime == 70)
    }

    /// One that is full of others' members gets none of ours.
    @Test func membersOfOthersAreNotPushedOut() throws {
        let custom = JSON.object((0..<62).map { (name: "m\($0)", value: JSON.string("v")) })
        let full = HashiCorpMetadata(custom: custom, lifetime: 0)
        let key = try RecordKey(user: "u", connection: "c")
        #expect(full.changed(for: key, created: 5, lifetime: 0) == full)
    }

    @Test(
        arguments: [
            ("0s", 0), ("2m40s", 160), ("720h0m0s", 2_592_000), ("1.5s", 1), ("", nil), ("5", nil), ("1d", nil),
            ("-1s", nil), ("99999999999999999999s", nil),
        ] as [(String, Int64?)])
    func durations(text: String, seconds: Int64?) { #expect(HashiCorpMetadata.seconds(text) == seconds) }

    /// No text of an answer is so long that its parts overflow when they are added.
    @Test(arguments: [6, 700_000]) func noSumOfADurationOverflows(parts: Int) {
        #expect(HashiCorpMetadata.seconds(String(repeating: "4000000000h", count: parts)) == nil)
    }

    // MARK: Which engine it is

    private static func mounted(_ type: String, _ options: String) -> HTTPResponse {
        HTTPResponse(200, #"{"data":{"type":"\#(type)","options":\#(options)}}"#)
    }

    /// Nothing is written, and nothing looks like an empty vault.
    @Test(arguments: [
        mounted("kv", #"{"version":"1"}"#), mounted("kv", "{}"), mounted("kv", "null"), mounted("pki", "null"),
    ])
    func anotherEngineIsAFailedPrecondition(mount: HTTPResponse) async throws {
        let bed = try Bed { request, _ in
            if request.path == "/v1/sys/internal/ui/mounts/secret" { return mount }
            if request.path.hasPrefix("/v1/sys/health") { return HTTPResponse(200, #"{"initialized":true}"#) }
            return request.method == .get ? .absent : HTTPResponse(204)
        }
        for number in 0..<6 {
            let error = await failure { () async throws(Failure) in try await call(number, bed) }
            #expect(error?.code == .failedPrecondition && error?.reason == .vaultRefused)
            #expect(error?.message.contains("no KV engine of version 2") == true)
        }
        #expect(bed.lines.allSatisfy { $0.hasPrefix("GET") })
    }

    /// Each kind of call.
    private func call(_ number: Int, _ bed: Bed) async throws(Failure) {
        switch number {
        case 0: _ = try await bed.read()
        case 1: _ = try await bed.write(bed.sealed())
        case 2: _ = try await bed.remove()
        case 3: _ = try await bed.remove("v1")
        case 4: _ = try await bed.vault.list(user: nil, after: nil, limit: 3, deadline: bed.deadline)
        default: try await bed.vault.check(deadline: bed.deadline)
        }
    }

    @Test func theEngineIsAskedForOnce() async throws {
        let bed = try Bed { request, _ in
            request.path.hasPrefix("/v1/sys/internal") ? Self.mounted("kv", #"{"version":"2"}"#) : .absent
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await bed.read() } }
            try await group.waitForAll()
        }
        for _ in 0..<3 { _ = try await bed.read() }
        #expect(bed.transport.lines.count { $0.contains("sys/internal") } == 1)
    }

    /// A token that may not see the mount works as it did.
    @Test func aMountThatIsNotShownIsNotInTheWay() async throws {
        let bed = try Bed { request, _ in
            if request.path.hasSuffix("lookup-self") { return HTTPResponse(200, #"{"data":{"ttl":0}}"#) }
            if request.path.hasPrefix("/v1/sys/internal") { return .denied }
            return request.method == .get ? .absent : .written(1)
        }
        _ = try await bed.write(bed.sealed())
        #expect(try await bed.read("u", "other") == nil)
    }

    // MARK: What the engine gives back

    @Test(arguments: [
        #"{"a":1,"b":-0,"c":1.0,"d":1e2,"e":0.1,"f":1e21,"g":9007199254740992,"h":5e-324,"i":[0,{"j":0.000001}]}"#,
        #"{"a":1.7976931348623157e308,"b":100000000000000000000,"c":123456789012345680000,"d":0e999}"#,
    ])
    func numbersThatADoubleGivesBackAreTaken(text: String) throws {
        let kept: JSON = try HashiCorpValue.text(Secret(text: text))
        #expect(kept.members != nil)
    }

    @Test(arguments: [
        (#"{"a":9007199254740993}"#, "a double"), (#"{"a":[{"b":3.14159265358979323846}]}"#, "a double"),
        (#"{"a":1e400}"#, "a double"), (#"{"a":-1e-400}"#, "a double"), (#"{"a":4.9e-324}"#, "a double"),
        (#"{"a":1e99999999999999999999}"#, "a double"), (#"{"a":12345678901234567890123456789}"#, "a double"),
        (#"{"a":"\ud800"}"#, "surrogate"), (#"{"a":"\udc00x"}"#, "surrogate"), (#"{"\ud800\u0041":1}"#, "surrogate"),
        (#"{"a":1,"a":1}"#, "each member once"), (#"{"x":{"a":1,"\u0061":2}}"#, "each member once"),
        ("[1]", "a JSON object"), ("{", "a JSON object"),
    ])
    func whatWouldComeBackOtherwiseIsRefused(text: String, words: String) throws {
        let error = failure { () throws(Failure) -> JSON in try HashiCorpValue.text(Secret(text: text)) }
        #expect(error?.code == .invalidArgument && error?.reason == .badField)
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "taken")")
    }

    // MARK: Names

    private static let escaped = "/v1/secret/data/ai2-connectors/ann=40example.com/a=20b"
    private static let literal = "/v1/secret/data/ai2-connectors/ann%40example.com/a%20b"

    private func key() throws(Failure) -> VaultKey { try Bed.key("ann@example.com", "a b") }

    @Test func theLiteralNameIsReadWhereTheEscapedOneIsAbsent() async throws {
        let bed = try Bed { request, _ in request.path == Self.literal ? .kv(#"{"a":1}"#) : .absent }
        let item = try await bed.vault.read(try key(), deadline: bed.deadline)
        #expect(item?.payload == .text(Secret(text: #"{"a":1}"#)))
        #expect(bed.lines == ["GET \(Self.escaped)", "GET \(Self.literal)"])
    }

    @Test func theEscapedNameComesFirst() async throws {
        let bed = try Bed { request, _ in
            request.path == Self.literal ? .kv(#"{"a":1}"#) : request.path == Self.escaped ? .kv(#"{"a":2}"#) : .absent
        }
        let item = try await bed.vault.read(try key(), deadline: bed.deadline)
        #expect(item?.payload == .text(Secret(text: #"{"a":2}"#)))
    }

    /// What has expired hides what it replaced, under whichever name; what was written later counts. The
    /// escaped one was written later, and the vault has collected it.
    @Test(arguments: [false, true])
    func whatHasExpiredDoesNotUncoverWhatItReplaced(literalNames: Bool) async throws {
        let bed = try Bed(literalNames: literalNames) { request, _ in
            switch request.path {
            case Self.literal: .kv(#"{"a":1}"#, created: "2026-11-24T00:00:00Z")
            case Self.escaped: .tombstone(version: 1)
            default: .absent
            }
        }
        #expect(try await bed.vault.read(try key(), deadline: bed.deadline) == nil)
    }

    @Test func theLaterOfTwoLiveNamesCountsWithLiteralNames() async throws {
        for (escaped, expected) in [("2026-11-26T00:00:00Z", "2"), ("2026-11-24T00:00:00Z", "1")] {
            let bed = try Bed(literalNames: true) { request, _ in
                switch request.path {
                case Self.literal: .kv(#"{"a":1}"#)
                case Self.escaped: .kv(#"{"a":2}"#, created: escaped)
                default: .absent
                }
            }
            let item = try await bed.vault.read(try key(), deadline: bed.deadline)
            #expect(item?.payload == .text(Secret(text: #"{"a":\#(expected)}"#)))
        }
    }

    @Test func aLiteralNameWrittenAfterADeletionIsFound() async throws {
        let bed = try Bed { request, _ in
            switch request.path {
            case Self.literal: .kv(#"{"a":1}"#, created: "2026-11-27T00:00:00Z")
            case Self.escaped: .tombstone(version: 3)
            default: .absent
            }
        }
        let item = try await bed.vault.read(try key(), deadline: bed.deadline)
        #expect(item?.payload == .text(Secret(text: #"{"a":1}"#)))
    }

    @Test func conditionsSeeTheLiteralName() async throws {
        let bed = try Bed { request, _ in request.path == Self.literal ? .kv(#"{"a":1}"#) : .absent }
        let error = await failure { () async throws(Failure) in
            try await bed.vault.write(try key(), bed.sealed(), condition: .ifAbsent, deadline: bed.deadline)
        }
        #expect(error == .alreadyExists)
    }

    @Test func deleteRemovesBoth() async throws {
        let bed = try Bed { request, _ in
            if request.method == .delete { return HTTPResponse(204) }
            return request.path.contains("/data/") ? .kv(#"{"a":1}"#) : .absent
        }
        #expect(try await bed.vault.remove(try key(), ifVersion: nil, deadline: bed.deadline))
        let deleted = bed.lines.filter { $0.hasPrefix("DELETE") }
        #expect(
            deleted == [Self.escaped, Self.literal].map { "DELETE " + $0.replacing("/data/", with: "/metadata/") })
    }

    /// The other program finds it, and what it deletes is deleted.
    @Test func theSettingWritesTheLiteralNameAndLeavesNoOther() async throws {
        let bed = try Bed(writesMetadata: false, literalNames: true) { request, _ in
            switch request.method {
            case .get: request.path == Self.escaped ? .kv(#"{"a":1}"#) : .absent
            case .delete: HTTPResponse(204)
            default: .written(1)
            }
        }
        _ = try await bed.vault.write(try key(), bed.sealed(), condition: .none, deadline: bed.deadline)
        let changes = bed.lines.filter { !$0.hasPrefix("GET") }
        #expect(changes == ["POST \(Self.literal)", "DELETE \(Self.escaped.replacing("/data/", with: "/metadata/"))"])
    }

    @Test func listingsHaveBothOnce() async throws {
        let listings = [
            "/v1/secret/metadata/ai2-connectors/?list=true": #"["ann=40example.com/","ann@example.com/","plain/"]"#,
            "/v1/secret/metadata/ai2-connectors/ann=40example.com/?list=true": #"["a=20b","c"]"#,
            "/v1/secret/metadata/ai2-connectors/ann%40example.com/?list=true": #"["a b","d e","x..y"]"#,
            "/v1/secret/metadata/ai2-connectors/plain/?list=true": #"["a:b"]"#,
        ]
        let bed = try Bed { request, _ in
            if let keys = listings[request.path] { return HTTPResponse(200, #"{"data":{"keys":\#(keys)}}"#) }
            return request.path.contains("/data/") ? .kv(#"{"a":1}"#) : .absent
        }
        var (keys, cursor): ([RecordKey], [UInt8]?) = ([], nil)
        repeat {
            let page = try await bed.vault.list(user: nil, after: cursor, limit: 1, deadline: bed.deadline)
            keys += page.entries.compactMap { if case .key(let key) = $0.name { key } else { nil } }
            cursor = page.next
        } while cursor != nil && keys.count < 10
        let names = keys.map { "\($0.user) / \($0.connection)" }
        #expect(
            names == [
                "ann@example.com / a b", "ann@example.com / c", "ann@example.com / d e", "plain / a:b",
            ])
    }
}
