import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferEtcd

/// Lists of many records: what is asked of etcd for them.
@Suite(.timeLimit(.minutes(2))) struct EtcdListingTests {
    /// Keys in etcd, all with one value, which answers ranges of them.
    private final class Keys: Sendable {
        let bed: Bed
        private let asked: Asked

        final class Asked: Sendable {
            /// Requests for names without values.
            let names = Atomic(0)
            /// The most keys that a request with values made etcd count.
            let most = Atomic(0)
            let stored = Mutex<[String]>([])
        }

        init(_ count: Int) {
            let value = Base64.text(Array(#"{"coffer":"coffer1:AQID","version":"v"}"#.utf8))
            let asked = Asked()
            asked.stored.withLock { $0 = (0..<count).map { Self.name(1_000_000 + $0) } }
            bed = Bed { request, _ in
                let names = asked.stored.withLock { $0 }
                guard let body = request.body, let json = try? JSON.parse(body), let first = Self.text(json["key"]),
                    let end = Self.text(json["range_end"]), let limit = json["limit"]?.int64
                else { return .etcd() }
                let showsValues = json["keys_only"]?.bool != true
                if !showsValues { asked.names.add(1, ordering: .relaxed) }
                let start = Self.index(of: first, in: names)
                let count = Self.index(of: end, in: names) - start
                if showsValues { asked.most.max(count, ordering: .relaxed) }
                let kvs = names[start..<start + min(count, Int(limit))].map { name in
                    #"{"key":"\#(Base64.text(Array(name.utf8)))","create_revision":"2","mod_revision":"2""#
                        + (showsValues ? #","value":"\#(value)"}"# : "}")
                }
                let more = count > Int(limit) ? #","more":true"# : ""
                return .etcd(revision: 9, #","kvs":[\#(kvs.joined(separator: ","))],"count":"\#(count)"\#(more)"#)
            }
            self.asked = asked
        }

        private static func name(_ number: Int) -> String { "ai2-connectors/u/c\(number)" }

        /// Stores more records, behind the one of a number and before the next.
        func insert(_ count: Int, behind number: Int) {
            let more = (0..<count).map { Self.name(1_000_000 + number) + "-\(1_000_000 + $0)" }
            asked.stored.withLock { $0.insert(contentsOf: more, at: number + 1) }
        }

        private static func text(_ json: JSON?) -> String? {
            json?.string.flatMap { Base64.bytes($0, limit: 4096) }.map(\.string)
        }

        /// Of the first name that is not before `text`.
        private static func index(of text: String, in names: [String]) -> Int {
            var (low, high) = (0, names.count)
            while low < high {
                let middle = (low + high) / 2
                if names[middle] < text { low = middle + 1 } else { high = middle }
            }
            return low
        }

        /// Requests for names, since the last time.
        func takeNames() -> Int { asked.names.exchange(0, ordering: .relaxed) }

        /// The most keys that a page made etcd count, since the last time.
        func takeMost() -> Int { asked.most.exchange(0, ordering: .relaxed) }

        /// - Returns: how many records were listed.
        func list(limit: Int, pages: Int = .max) async throws -> Int {
            var (count, cursor, left): (Int, [UInt8]?, Int) = (0, nil, pages)
            repeat {
                let page = try await bed.vault.list(user: nil, after: cursor, limit: limit, deadline: bed.deadline)
                (count, cursor, left) = (count + page.entries.count, page.next, left - 1)
            } while cursor != nil && left > 0
            return count
        }
    }

    /// They are remembered from one listing to the next, up to its end.
    @Test func namesAreAskedForOnce() async throws {
        let keys = Keys(5_300)
        #expect(try await keys.list(limit: 1_000) == 5_300)
        #expect(keys.takeNames() == 1)
        for _ in 0..<3 { #expect(try await keys.list(limit: 1_000) == 5_300) }
        // The first listing asked for those behind its first page.
        #expect(keys.takeNames() == 1)
    }

    /// Where many records have come since, names are asked for again, and pages are short again.
    @Test(arguments: [(behind: 1_500, of: 5_000), (behind: 4_999, of: 5_000)])
    func namesAreAskedForAgainWhereManyRecordsHaveCome(behind: Int, of: Int) async throws {
        let keys = Keys(of)
        for _ in 0..<2 { #expect(try await keys.list(limit: 1_000) == of) }
        #expect(keys.takeNames() == 2)
        keys.insert(20_000, behind: behind)
        #expect(try await keys.list(limit: 1_000) == of + 20_000)
        _ = keys.takeMost()
        #expect(try await keys.list(limit: 1_000) == of + 20_000)
        #expect(keys.takeMost() <= 4_000)
    }

    /// They are more than a few records are worth.
    @Test func shortPagesDoNotAskForNames() async throws {
        let keys = Keys(6_000)
        #expect(try await keys.list(limit: 10, pages: 5) == 50)
        #expect(keys.takeNames() == 0)
    }

    @Test func whereAListingEndsIsRemembered() {
        let milestones = EtcdMilestones()
        let (a, b) = (Array("f/a".utf8), Array("f/b".utf8))
        milestones.note([a], in: "f/", after: nil, isLast: false)
        milestones.note([b], in: "f/", after: a, isLast: true)
        for _ in 0..<100 { milestones.note([], in: "f/", after: b, isLast: true) }
        for _ in 0..<100 { milestones.note([b], in: "f/", after: a, isLast: true) }
        #expect(milestones.next(in: "f/", after: nil) == .milestone(a))
        #expect(milestones.next(in: "f/", after: a) == .milestone(b))
        #expect(milestones.next(in: "f/", after: b) == .end)
        #expect(milestones.next(in: "f/", after: Array("f/c".utf8)) == nil)
        #expect(milestones.next(in: "g/", after: nil) == nil)
    }
}
