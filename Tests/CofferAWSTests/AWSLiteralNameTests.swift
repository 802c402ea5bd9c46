import CofferCore
import CofferVault
import CofferVaultKit
import Synchronization
import Testing

@testable import CofferAWS

/// Secrets under the names that a program gives them which does not escape ids.
@Suite struct AWSLiteralNameTests {
    private static let literal = "ai2-connectors/u/prod-abc123"
    private static let escaped = "ai2-connectors/u/prod=2Dabc123"

    private func put(_ text: String, _ name: String, in fixture: AWSFixture) {
        fixture.fake.state.withLock { state in
            state.secrets[name] = .init(text: text, token: "other", created: 1, body: .null)
        }
    }

    private func key(_ fixture: AWSFixture) throws -> VaultKey { try fixture.key("u", "prod-abc123") }

    private func text(_ item: VaultItem?) -> String? {
        guard case .text(let text)? = item?.payload else { return nil }
        return text.text
    }

    @Test func areReadAndListedWhereTheEscapedOneIsAbsent() async throws {
        let fixture = AWSFixture()
        let vault = try fixture.vault()
        put(#"{"a":1}"#, Self.literal, in: fixture)
        #expect(text(try await vault.read(try key(fixture), deadline: fixture.deadline)) == #"{"a":1}"#)
        let many = await vault.readMany([try key(fixture), try fixture.key()], deadline: fixture.deadline)
        #expect(text(try many[0].get()) == #"{"a":1}"#)
        #expect(try many[1].get() == nil)
        let user = VaultUser(id: "u", tag: [])
        let page = try await vault.list(user: user, after: nil, limit: 10, deadline: fixture.deadline)
        #expect(page.entries.map(\.name) == [.key(try key(fixture).key)])
        put(#"{"a":2}"#, Self.escaped, in: fixture)
        #expect(text(try await vault.read(try key(fixture), deadline: fixture.deadline)) == #"{"a":2}"#)
        let both = try await vault.list(user: user, after: nil, limit: 10, deadline: fixture.deadline)
        #expect(both.entries.map { text(try? $0.item.get()) } == [#"{"a":2}"#])
    }

    /// A Store leaves the literal one; when its record has expired the replaced one does not come back.
    @Test(arguments: [false, true])
    func whatHasExpiredDoesNotUncoverWhatItReplaced(prefersLiteral: Bool) async throws {
        let fixture = AWSFixture()
        put(#"{"a":1}"#, Self.literal, in: fixture)
        var item = fixture.item()
        item.expiresAt = fixture.clock.wall + 2_000
        _ = try await fixture.vault().write(try key(fixture), item, condition: .none, deadline: fixture.deadline)
        let other = AWSFixture(options: AWSOptions(literalNames: prefersLiteral))
        other.fake.state.withLock { state in state.secrets = fixture.fake.state.withLock { $0.secrets } }
        let vault = try other.vault()
        #expect(try await vault.read(try key(other), deadline: other.deadline)?.payload == item.payload, "written later")
        other.advance(milliseconds: 2_001)
        #expect(try await vault.read(try key(other), deadline: other.deadline) == nil)
        let many = await vault.readMany([try key(other)], deadline: other.deadline)
        #expect(try many[0].get() == nil)
    }

    @Test func deleteRemovesBoth() async throws {
        let fixture = AWSFixture()
        for name in [Self.literal, Self.escaped] { put(#"{"a":1}"#, name, in: fixture) }
        #expect(try await fixture.vault().remove(try key(fixture), ifVersion: nil, deadline: fixture.deadline))
        #expect(fixture.fake.state.withLock { $0.secrets.isEmpty })
    }

    @Test func storeWritesTheEscapedOneUnlessToldOtherwise() async throws {
        let fixture = AWSFixture()
        put(#"{"a":1}"#, Self.literal, in: fixture)
        _ = try await fixture.vault().write(
            try key(fixture), fixture.item(), condition: .none, deadline: fixture.deadline)
        #expect(fixture.fake.state.withLock { $0.secrets.keys.sorted() } == [Self.literal, Self.escaped])

        let literal = AWSFixture(options: AWSOptions(literalNames: true))
        put(#"{"a":1}"#, Self.escaped, in: literal)
        _ = try await literal.vault().write(
            try key(literal), literal.item(), condition: .none, deadline: literal.deadline)
        #expect(literal.fake.state.withLock { $0.secrets.keys.sorted() } == [Self.literal])
    }
}
