import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferHashiCorp

/// Listings, which begin with names that anybody may have made.
@Suite(.timeLimit(.minutes(1))) struct HashiCorpListTests {
    private static let folders = #"{"data":{"keys":["b/","a/","a=2Fx/","not plain/","loose"]}}"#
    private static let users = ["a": #"["c2","c1","sub/","x..y"]"#, "b": #"["c1"]"#, "a=2Fx": #"["c1"]"#]

    private func bed(missing: String = "") throws -> Bed {
        try Bed { request, _ in
            let path = request.path
            guard path.hasSuffix("?list=true") else {
                return path.hasSuffix(missing) && !missing.isEmpty ? .tombstone(version: 2) : .kv(#"{"a":1}"#)
            }
            if path == "/v1/secret/metadata/ai2-connectors/?list=true" { return HTTPResponse(200, Self.folders) }
            let user = path.split(separator: "/").dropLast().last.map(String.init) ?? ""
            return Self.users[user].map { HTTPResponse(200, #"{"data":{"keys":\#($0)}}"#) } ?? .absent
        }
    }

    private func pages(_ bed: Bed, _ user: String?, limit: Int) async throws -> [[String]] {
        let user = user.map { VaultUser(id: $0, tag: []) }
        var pages: [[String]] = []
        var cursor: [UInt8]?
        repeat {
            let page = try await bed.vault.list(user: user, after: cursor, limit: limit, deadline: bed.deadline)
            pages.append(
                page.entries.map { entry in
                    guard case .key(let key) = entry.name else { return "" }
                    return "\(key.user) \(key.connection)"
                })
            cursor = page.next
        } while cursor != nil
        return pages
    }

    @Test func ofEveryoneInTheOrderOfNames() async throws {
        let all = ["a c1", "a c2", "a/x c1", "b c1"]
        #expect(try await pages(try bed(), nil, limit: 10) == [all])
        #expect(try await pages(try bed(), nil, limit: 3) == [Array(all[..<3]), ["b c1"]])
        #expect(try await pages(try bed(), nil, limit: 1) == all.map { [$0] })
    }

    @Test func ofOneUser() async throws {
        #expect(try await pages(try bed(), "a", limit: 1) == [["a c1"], ["a c2"]])
        #expect(try await pages(try bed(), "a/x", limit: 5) == [["a/x c1"]])
        #expect(try await pages(try bed(), "nobody", limit: 5) == [[]])
    }

    /// What was removed meanwhile takes no place, and ends no listing.
    @Test func passesOverWhatIsGone() async throws {
        #expect(try await pages(try bed(missing: "/a/c1"), nil, limit: 1) == [["a c2"], ["a/x c1"], ["b c1"]])
    }

    @Test func cursorsBelongToTheirListing() async throws {
        let bed = try bed()
        let page = try await bed.vault.list(user: nil, after: nil, limit: 1, deadline: bed.deadline)
        let cursor = try #require(page.next)
        let user = VaultUser(id: "a", tag: [])
        var changed = cursor
        changed[changed.count - 1] ^= 1
        for (user, cursor) in [(user, cursor), (nil, changed), (nil, []), (nil, [1]), (nil, Array(cursor.dropLast()))] {
            let error = await failure { () async throws(Failure) in
                try await bed.vault.list(user: user, after: cursor, limit: 1, deadline: bed.deadline)
            }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test(arguments: [#"{"data":{"keys":[1]}}"#, #"{"data":{"keys":{}}}"#, #"{"data":null}"#, "[]", "x"])
    func answersOfAnotherFormAreRefused(body: String) async throws {
        let bed = try Bed { _, _ in HTTPResponse(200, body) }
        let error = await failure { () async throws(Failure) in
            try await bed.vault.list(user: nil, after: nil, limit: 1, deadline: bed.deadline)
        }
        #expect(error?.code == .unavailable)
    }
}
