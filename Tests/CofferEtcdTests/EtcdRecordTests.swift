import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferEtcd

/// What is asked of etcd for each call, and what becomes of the answers.
@Suite(.timeLimit(.minutes(1))) struct EtcdRecordTests {
    private static let empty: ScriptedMember.Script = { _, _ in .etcd() }

    @Test func aReadIsOneCall() async throws {
        let kv = Bed(Self.empty).kv()
        let bed = Bed { _, _ in .etcd(revision: 7, #","kvs":[\#(kv)],"count":"1""#) }
        #expect(try await bed.read()?.payload == .sealed([1, 2, 3]))
        #expect(bed.member.paths == ["kv/range"])
        #expect(bed.member.requests[0].text == #"{"key":"YWkyLWNvbm5lY3RvcnMvdS9j"}"#)
    }

    @Test func aNewRecordIsAReadAndACreation() async throws {
        let bed = Bed { _, _ in .done }
        let receipt = try await bed.write()
        #expect(receipt == VaultReceipt(version: "v1", createdAt: bed.clock.wall))
        #expect(bed.member.paths == ["kv/range", "kv/txn"])
        let text = bed.member.requests[1].text
        #expect(text.hasPrefix(#"{"compare":[{"key":"YWkyLWNvbm5lY3RvcnMvdS9j","target":"CREATE","result":"EQUAL","create_revision":"0"}],"success":[{"request_put":{"key":"#))
        #expect(text.hasSuffix(#"}}],"failure":[{"request_range":{"key":"YWkyLWNvbm5lY3RvcnMvdS9j"}}]}"#))
        #expect(!text.contains("lease"))
    }

    /// A creation compares by itself.
    @Test func aNewRecordWithAConditionIsOneCall() async throws {
        let bed = Bed { _, _ in .done }
        try await bed.write(nil, .ifAbsent)
        #expect(bed.member.paths == ["kv/txn"])
    }

    /// A record that is replaced keeps its time of creation; one that others wrote meanwhile is compared again.
    @Test func replacingComparesTheRevision() async throws {
        var old = Bed(Self.empty).item("v0")
        old.createdAt -= 5_000
        let (first, second) = (Bed(Self.empty).kv(old, revision: 4), Bed(Self.empty).kv(old, revision: 6))
        let bed = Bed { _, number in
            switch number {
            case 0: .etcd(revision: 7, #","kvs":[\#(first)],"count":"1""#)
            case 1: .etcd(revision: 7, #","responses":[{"response_range":{"kvs":[\#(second)]}}]"#)
            default: .done
            }
        }
        #expect(try await bed.write().createdAt == old.createdAt)
        #expect(bed.member.requests[1].text.contains(#""target":"MOD","result":"EQUAL","mod_revision":"4""#))
        #expect(bed.member.requests[2].text.contains(#""mod_revision":"6""#))
    }

    @Test func removingComparesTheRevision() async throws {
        let old = Bed(Self.empty).kv(revision: 5)
        let bed = Bed { request, _ in
            request.path.hasSuffix("range") ? .etcd(revision: 7, #","kvs":[\#(old)],"count":"1""#) : .done
        }
        #expect(try await bed.remove())
        #expect(bed.member.paths == ["kv/range", "kv/txn"])
        #expect(bed.member.requests[1].text.contains(#""target":"MOD","result":"EQUAL","mod_revision":"5""#))
        #expect(bed.member.requests[1].text.contains("request_delete_range"))
        let none = Bed(Self.empty)
        #expect(try await none.remove() == false)
        #expect(none.member.paths == ["kv/range"])
    }

    /// A condition is compared with the very write that was read.
    @Test func aConditionComparesTheRevision() async throws {
        let old = Bed(Self.empty).kv(Bed(Self.empty).item("v0"), revision: 5)
        let bed = Bed { request, _ in
            request.path.hasSuffix("range") ? .etcd(revision: 7, #","kvs":[\#(old)],"count":"1""#) : .done
        }
        try await bed.write(nil, .ifVersion("v0"))
        #expect(bed.member.requests[1].text.contains(#""target":"MOD","result":"EQUAL","mod_revision":"5""#))
    }

    @Test func writersThatAreAlwaysFasterAreGivenUp() async {
        let other = Bed(Self.empty).kv()
        let bed = Bed { _, _ in .etcd(revision: 7, #","responses":[{"response_range":{"kvs":[\#(other)]}}]"#) }
        let failure = await failure { () async throws(Failure) in try await bed.write() }
        // The vault works: it says nothing against it.
        #expect(failure?.code == .aborted && failure?.retryable == true && failure?.mayHaveWritten == false)
        #expect(bed.member.requests.count == 129, "a read and 128 attempts")
    }

    // MARK: Leases

    @Test func aRecordThatExpiresHasALeaseOfItsOwn() async throws {
        let bed = Bed { request, _ in request.path.hasSuffix("grant") ? .etcd() : .done }
        try await bed.write(bed.item(seconds: 90))
        #expect(bed.member.paths == ["kv/range", "lease/grant", "kv/txn"])
        // The record's time and a minute; the id is marked as ours.
        #expect(bed.member.requests[1].text == #"{"TTL":"150","ID":"868913253104386048"}"#.replacing("868913253104386048", with: String(Int64(0x0C0F) << 48)))
        #expect(bed.member.requests[2].text.contains(#""lease":"\#(Int64(0x0C0F) << 48)""#))
    }

    @Test func theLeaseOfWhatIsReplacedOrRemovedIsRevoked() async throws {
        let lease = Int64(0x0C0F) << 48 | 5
        let old = Bed(Self.empty).kv(revision: 5, lease: lease)
        let bed = Bed { request, _ in
            request.path.hasSuffix("range") ? .etcd(revision: 7, #","kvs":[\#(old)],"count":"1""#) : .done
        }
        try await bed.write()
        #expect(try await bed.remove())
        await bed.vault.close()
        let revoked = bed.member.requests.filter { $0.path.hasSuffix("lease/revoke") }
        #expect(revoked.map(\.text) == Array(repeating: #"{"ID":"\#(lease)"}"#, count: 2))
    }

    /// Revoking a lease removes all keys that it has: one that is not marked may have others.
    @Test func theLeaseOfAnotherProgramIsLeftAlone() async throws {
        let old = Bed(Self.empty).kv(revision: 5, lease: 7_587_848_943_239_472_643)
        let bed = Bed { request, _ in
            request.path.hasSuffix("range") ? .etcd(revision: 7, #","kvs":[\#(old)],"count":"1""#) : .done
        }
        #expect(try await bed.remove())
        await bed.vault.close()
        #expect(bed.member.paths == ["kv/range", "kv/txn"])
    }

    @Test func aLeaseThatNoRecordGotIsRevoked() async throws {
        let other = Bed(Self.empty).kv()
        let bed = Bed { request, _ in
            request.path.hasSuffix("txn") ? .etcd(revision: 7, #","responses":[{"response_range":{"kvs":[\#(other)]}}]"#) : .etcd()
        }
        let failure = await failure { () async throws(Failure) in try await bed.write(bed.item(seconds: 9), .ifAbsent) }
        #expect(failure == .alreadyExists)
        await bed.vault.close()
        #expect(bed.member.paths == ["lease/grant", "kv/txn", "lease/revoke"])
    }

    /// The grant's answer was lost; asked again, etcd says that it has the lease.
    @Test func aLeaseThatWasGrantedInDoubtIsUsed() async throws {
        let bed = Bed(
            { request, _ throws(HTTPError) in
                if request.path.hasSuffix("range") { return .etcd() }
                throw HTTPError(.interrupted, isUnsent: false)
            },
            { request, _ in request.path.hasSuffix("grant") ? .fault(412, 9, "etcdserver: lease already exists") : .done })
        try await bed.write(bed.item(seconds: 9))
        #expect(bed.members[1].paths == ["lease/grant", "kv/txn"])
    }

    /// The lease is gone before the record is stored: another one is granted, once.
    @Test func aLostLeaseIsGrantedAgainOnce() async throws {
        let gone = HTTPResponse.fault(404, 5, "etcdserver: requested lease not found")
        let bed = Bed { request, number in request.path.hasSuffix("txn") && number == 2 ? gone : .done }
        try await bed.write(bed.item(seconds: 9))
        #expect(bed.member.paths == ["kv/range", "lease/grant", "kv/txn", "lease/grant", "kv/txn"])
        let always = Bed { request, _ in request.path.hasSuffix("txn") ? gone : .done }
        let failure = await failure { () async throws(Failure) in try await always.write(always.item(seconds: 9)) }
        #expect(failure?.code == .failedPrecondition && failure?.mayHaveWritten == false)
        #expect(always.member.paths.count { $0 == "kv/txn" } == 2)
    }

    @Test func anotherIdIsTakenForALeaseThatIsTaken() async throws {
        let bed = Bed { request, number in
            request.path.hasSuffix("grant") ? number == 1 ? .fault(400, 9, "etcdserver: lease already exists") : .etcd() : .done
        }
        try await bed.write(bed.item(seconds: 9))
        #expect(bed.member.paths == ["kv/range", "lease/grant", "lease/grant", "kv/txn"])
    }

    // MARK: What others wrote

    static let values = [
        "", "text", "{}", #"{"coffer":"coffer1:"}"#, #"{"coffer":"coffer1:!!"}"#, #"{"password":"x"}"#, "[1]", "\u{0}\u{1}",
        #"{"coffer":"coffer1:AQID","version":"v","created":-1}"#, #"{"coffer":"coffer1:AQID","version":""}"#,
    ]

    @Test(arguments: values) func anUnreadableRecordIsOneRecordsFailure(value: String) async throws {
        let (bad, good) = (
            Bed(Self.empty).kv(value: Array(value.utf8)), Bed(Self.empty).kv(name: "ai2-connectors/u/d")
        )
        let bed = Bed { request, _ in
            request.path.hasSuffix("txn")
                ? .etcd(revision: 7, #","responses":[{"response_range":{"kvs":[\#(bad)]}},{"response_range":{"kvs":[\#(good)]}}]"#)
                : .etcd(revision: 7, #","kvs":[\#(bad),\#(good)],"count":"2""#)
        }
        #expect(await failure { () async throws(Failure) in try await bed.read() }?.isOfOneRecord == true)
        let many = await bed.vault.readMany([try Bed.key("u", "c"), try Bed.key("u", "d")], deadline: bed.deadline)
        #expect((try? many[0].get()) == nil && (try? many[1].get())??.version == "v1")
        let page = try await bed.vault.list(user: nil, after: nil, limit: 10, deadline: bed.deadline)
        #expect(page.entries.count == 2 && page.next == nil)
        #expect((try? page.entries[0].item.get()) == nil && (try? page.entries[1].item.get()) != nil)
    }

    @Test func keysOfOtherProgramsAreNotListed() async throws {
        let names = ["ai2-connectors/", "ai2-connectors/a", "ai2-connectors/a/b/c", "ai2-connectors/a/=41"]
        let foreign = names.map { Bed(Self.empty).kv(name: $0) }.joined(separator: ",")
        let bytes = #"{"key":"YWkyLWNvbm5lY3RvcnMv//8=","mod_revision":"3","value":"AA=="}"#
        let bed = Bed { request, number in
            number == 0 ? .etcd(revision: 7, #","kvs":[\#(foreign),\#(bytes)],"more":true,"count":"9""#) : .etcd()
        }
        let page = try await bed.vault.list(user: nil, after: nil, limit: 5, deadline: bed.deadline)
        #expect(page.entries.isEmpty && page.next == nil)
        // It goes on behind the last of them, whatever bytes that has.
        #expect(bed.member.requests[1].text.contains(#""key":"YWkyLWNvbm5lY3RvcnMv//8A""#))
    }

    /// etcd counts all keys between the two ends of a range, whatever its limit: with the folder's end for each page
    /// the counts grow with the square of the records.
    @Test(arguments: [100, 1_000]) func pagesOfManyRecordsEndNearby(limit: Int) async throws {
        let store = (0..<12_000).map { number in "ai2-connectors/u/c\(100_000 + number)" }
        let counted = Atomic(0)
        let bed = Bed { request, _ in
            let json = try! JSON.parse(answer: request.body!)
            func bytes(_ name: String) -> [UInt8] { JSONString(Base64.bytes(json[name]!.string!, limit: 1 << 20)!).bytes }
            let all = store[place(bytes("key"), in: store)..<place(bytes("range_end"), in: store)]
            counted.add(all.count, ordering: .relaxed)
            let shown = all.prefix(Int(json["limit"]!.int64!))
            let kvs = shown.map { #"{"key":"\#(Base64.text(Array($0.utf8)))","create_revision":"3","mod_revision":"3","value":"AA=="}"# }
            return .etcd(revision: 7, #","kvs":[\#(kvs.joined(separator: ","))],"more":\#(shown.count < all.count),"count":"\#(all.count)""#)
        }
        for _ in 0..<2 {
            var (seen, next): ([String], [UInt8]?) = ([], nil)
            repeat {
                let page = try await bed.vault.list(user: nil, after: next, limit: limit, deadline: bed.deadline)
                seen += page.entries.compactMap { entry in
                    if case .key(let key) = entry.name { "ai2-connectors/\(key.user)/\(key.connection)" } else { nil }
                }
                next = page.next
            } while next != nil
            #expect(seen == store)
        }
        let most = 2 * (store.count * (limit == 100 ? 8 : 4))
        #expect(counted.load(ordering: .relaxed) < most)
    }

    /// How many names come before `key`.
    private func place(_ key: [UInt8], in names: [String]) -> Int {
        var (low, high) = (0, names.count)
        while low < high {
            let middle = (low + high) / 2
            if names[middle].utf8.lexicographicallyPrecedes(key) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    // MARK: Many

    @Test func manyAreReadByAHundredAndTwentyEight() async throws {
        let bed = Bed { request, _ in
            let count = request.text.split(separator: "request_range").count - 1
            return .etcd(revision: 7, #","responses":[\#(Array(repeating: #"{"response_range":{}}"#, count: count).joined(separator: ","))]"#)
        }
        let keys = try (0..<256).map { try Bed.key("u", "c\($0)") }
        #expect(await bed.vault.readMany(keys, deadline: bed.deadline).allSatisfy { (try? $0.get()) == .some(nil) })
        #expect(bed.member.paths == ["kv/txn", "kv/txn"])
    }

    /// An answer that is larger than is read: fewer records at a time.
    @Test func whatIsTooLargeForOneAnswerIsReadInParts() async throws {
        let kv = Bed(Self.empty).kv()
        let bed = Bed { request, _ throws(HTTPError) in
            if request.path.hasSuffix("txn") {
                let count = request.text.split(separator: "request_range").count - 1
                if count > 3 { throw HTTPError(.tooLarge(limit: 4 << 20), isUnsent: false) }
                return .etcd(revision: 7, #","responses":[\#(Array(repeating: #"{"response_range":{}}"#, count: count).joined(separator: ","))]"#)
            }
            if !request.text.contains(#""limit":"3""#) { throw HTTPError(.tooLarge(limit: 4 << 20), isUnsent: false) }
            return .etcd(revision: 7, #","kvs":[\#(kv)],"count":"1""#)
        }
        let keys = try (0..<10).map { try Bed.key("u", "c\($0)") }
        #expect(await bed.vault.readMany(keys, deadline: bed.deadline).allSatisfy { (try? $0.get()) == .some(nil) })
        #expect(try await bed.vault.list(user: nil, after: nil, limit: 1_000, deadline: bed.deadline).entries.count == 1)
    }

    /// A cluster with a small `--max-txn-ops`.
    @Test func whatIsMoreThanAClusterReadsAtOnceIsReadInParts() async throws {
        let bed = Bed { request, _ in
            let count = request.text.split(separator: "request_range").count - 1
            if count > 20 { return .fault(400, 3, "etcdserver: too many operations in txn request") }
            return .etcd(revision: 7, #","responses":[\#(Array(repeating: #"{"response_range":{}}"#, count: count).joined(separator: ","))]"#)
        }
        let keys = try (0..<64).map { try Bed.key("u", "c\($0)") }
        #expect(await bed.vault.readMany(keys, deadline: bed.deadline).allSatisfy { (try? $0.get()) == .some(nil) })
        #expect(bed.member.paths.count == 7)
        // It has said so once: 16 are read at a time from then on.
        #expect(await bed.vault.readMany(keys, deadline: bed.deadline).allSatisfy { (try? $0.get()) == .some(nil) })
        #expect(bed.member.paths.count == 7 + 4)
    }

    @Test func garbledAnswersAreNoRecords() async throws {
        for rest in [#","responses":[]"#, #","responses":[{"response_range":5}]"#, ""] {
            let bed = Bed { _, _ in .etcd(revision: 7, rest) }
            let outcomes = await bed.vault.readMany([try Bed.key()], deadline: bed.deadline)
            #expect(throws: Failure.self) { try outcomes[0].get() }
            let failure = await failure { () async throws(Failure) in try await bed.write() }
            #expect(failure?.code == .internal && failure?.mayHaveWritten == true)
        }
    }
}
