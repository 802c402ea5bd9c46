import CofferCore
import CofferHTTP
import CofferHashiCorp
import CofferVault
import Foundation
import Testing

/// A real KV engine that others use as well.
@Suite struct HashiCorpSharingTests {
    private let folder = UUID().uuidString
    private var path: String { "ai2-connectors/\(folder)/user/connection" }
    private let bao: Operator
    private let key: VaultKey

    init() throws {
        bao = try Operator()
        key = try Live.key("user", "connection")
    }

    private func write(_ item: VaultItem) async throws {
        let vault = try Live.vault(folder: folder)
        _ = try await vault.write(key, item, condition: .none, deadline: Live.deadline)
    }

    private func metadata() async throws -> (custom: [String: String], time: String) {
        let data = try #require(try await bao.ask(.get, "secret/metadata/\(path)").json["data"] as? [String: Any])
        return (
            try #require(data["custom_metadata"] as? [String: String]),
            try #require(data["delete_version_after"] as? String)
        )
    }

    /// Also of a key that has no version yet, and of one whose record is gone.
    @Test func metadataOfOthersStays() async throws {
        try await bao.ask(
            .post, "secret/metadata/\(path)", ["custom_metadata": ["owner": "ops"], "delete_version_after": "720h"])
        try await write(Live.sealed("v1"))
        var found = try await metadata()
        #expect(found.custom["owner"] == "ops" && found.custom["user"] == "user" && found.time == "720h0m0s")
        // Ours is shorter; without it, theirs is back.
        try await write(Live.sealed("v2", expiresAt: SystemClock().wall + 100_000))
        found = try await metadata()
        #expect(found.custom["owner"] == "ops")
        #expect((30...40).map { "2m\($0)s" }.contains(found.time), "\(found.time)")
        try await write(Live.sealed("v3"))
        found = try await metadata()
        #expect(found.custom["owner"] == "ops" && found.time == "720h0m0s")
        // Changed beside a record of ours.
        var custom = found.custom
        custom["ticket"] = "7"
        try await bao.ask(
            .post, "secret/metadata/\(path)", ["custom_metadata": custom, "delete_version_after": "24h"])
        try await write(Live.sealed("v4"))
        found = try await metadata()
        #expect(found.custom["ticket"] == "7" && found.time == "24h0m0s")
        try await bao.ask(.delete, "secret/data/\(path)")
        try await write(Live.sealed("v5"))
        found = try await metadata()
        #expect(found.custom["ticket"] == "7" && found.time == "24h0m0s")
    }

    /// Generated numbers: what is taken comes back by its value, and what is refused would not.
    @Test func numbersComeBackOrAreRefused() async throws {
        var generator = SystemRandomNumberGenerator()
        func digits(_ range: ClosedRange<Int>) -> String {
            String(
                (0..<Int.random(in: range, using: &generator)).map { _ in "0123456789".randomElement(using: &generator)!
                })
        }
        let fixed = ["9007199254740993", "9007199254740992", "0.1", "1e2", "-0", "123456789012345678901234567890"]
        let generated = (0..<40).map { _ -> String in
            let whole = String("123456789".randomElement(using: &generator)!) + digits(0...19)
            let fraction = Bool.random(using: &generator) ? "." + digits(1...8) : ""
            let exponent = Bool.random(using: &generator) ? "e\(Int.random(in: -20...20, using: &generator))" : ""
            return (Bool.random(using: &generator) ? "-" : "") + whole + fraction + exponent
        }
        var refused = 0
        for number in fixed + generated {
            let text = #"{"n":\#(number)}"#
            let vault = try Live.vault(folder: folder)
            let error = await failure { () throws(Failure) in
                try await vault.write(key, Live.text(text), condition: .none, deadline: Live.deadline)
            }
            if error != nil {
                #expect(error?.code == .invalidArgument && error?.message.contains("a double") == true)
                refused += 1
                let body = Secret(text: #"{"data":\#(text)}"#)
                try await bao.put("secret/data/\(path)", body)
            }
            let item = try #require(try await vault.read(key, deadline: Live.deadline))
            guard case .text(let kept) = item.payload else { throw CancellationError() }
            let back = kept.string.dropFirst(5).dropLast()
            let isSame = Decimal(string: String(back)) == Decimal(string: number)
            #expect(isSame == (error == nil), "\(number) came back as \(back)")
        }
        #expect(refused > 5)
    }
}
