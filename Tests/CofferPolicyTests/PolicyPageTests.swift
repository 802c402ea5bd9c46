import CofferAccess
import CofferPolicy
import Foundation
import Testing

/// What the manual's page on policies shows is as it says.
@Suite struct PolicyPageTests {
    private static let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../docs/policy.md")

    private static let host = HostNames(
        uid: { ["mail": 8, "gateway": 9, "sync": 10, "report": 11, "coffer": 12, "prometheus": 13][$0] },
        gid: { ["workers": 500, "operators": 501, "mail-admins": 502][$0] })

    /// The blocks of code of one language.
    private func blocks(_ language: String) throws -> [String] {
        let text = try String(contentsOf: Self.page, encoding: .utf8)
        return text.components(separatedBy: "\n```\(language)\n").dropFirst().map { $0.components(separatedBy: "\n```")[0] + "\n" }
    }

    @Test func everyExampleCanBePastedAndIsNotComplainedOf() throws {
        let examples = try blocks("yaml")
        #expect(examples.count == 6)
        for example in examples {
            do throws(PolicyMistakes) {
                let policy = try PolicyFile.read(example, Self.host)
                #expect(PolicyReport.lines(policy.findings, file: "policy.yaml") == [], "\(example)")
            } catch {
                Issue.record("\(PolicyReport.lines(error, file: "policy.yaml")) in\n\(example)")
            }
        }
    }

    @Test func theExplanationIsThatOfTheFirstExample() throws {
        let policy = try PolicyFile.read(try #require(blocks("yaml").first), Self.host)
        let ann = Caller(uid: 1_000, gid: 1_000, groups: .proven([500]), userName: .proven("ann"))
        let lines = PolicyReport.lines(policy.explain(.init(.get, user: "ann", connection: "imap"), by: ann), policy)
        // Below the command.
        let shown = try blocks("console").map { $0.split(separator: "\n").dropFirst().map(String.init) }
        #expect(shown.contains(lines))
    }
}
