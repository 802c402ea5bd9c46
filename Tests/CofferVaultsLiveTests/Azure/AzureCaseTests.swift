import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultKit
import Foundation
import Testing

@testable import CofferAzure

/// Tests/Live/azure_cases.json, which Microsoft's own client passes in the same run: Tests/Live/azure_interop.py.
@Suite struct AzureCaseTests {
    private struct Unknown: Error {
        let step: String
    }

    /// A value of the table: a text that is repeated is ["x", 25600].
    private static func expand(_ json: JSON) -> JSON {
        if let elements = json.elements, elements.count == 2, let text = elements[0].text, let count = elements[1].integer {
            return .string(String(repeating: text, count: Int(count)))
        }
        return json
    }

    private static func text(_ json: JSON) -> String { json.encode().text ?? "" }

    @Test(.timeLimit(.minutes(2))) func passesTheCasesThatTheClientPasses() async throws {
        let content = try #require(FileManager.default.contents(atPath: try AzureLive.variable("CASES")))
        let cases = try #require(try JSON.parse(content.withUnsafeBytes { Secret(copying: $0) }).elements)
        #expect(cases.count >= 16)
        for (number, each) in cases.enumerated() {
            let name = try #require(each["name"]?.text)
            let records = try Records(each, user: "case \(number)")
            for step in try #require(each["steps"]?.elements) {
                let parts = try #require(step.elements)
                let action = try #require(parts[0].text)
                let found = try await records.run(action, parts.dropFirst().dropLast().map(Self.expand))
                let expected = Self.text(Self.expand(parts[parts.count - 1]))
                #expect(Self.text(found) == expected, "\(name): \(action)")
            }
        }
    }

    /// The table's actions as the adapter does them; what it does not do is asked of the service as itself.
    private struct Records {
        private let vault: AzureVault
        private let user: String

        init(_ each: JSON, user: String) throws {
            self.user = user
            vault = try AzureLive.vault(
                prefix: "coffer-cases",
                change: {
                    $0.client = each["account"]?.text ?? "app"
                    if let tenant = each["tenant"]?.text { $0.tenant = tenant }
                    if let deleted = each["deleted"]?.text.flatMap(AzureOptions.Deleted.init) { $0.deleted = deleted }
                })
        }

        func run(_ action: String, _ arguments: [JSON]) async throws -> JSON {
            do {
                return try await result(of: action, arguments.compactMap(\.text))
            } catch let failure as Failure {
                return .string(failure.code.name)
            }
        }

        private func result(of action: String, _ arguments: [String]) async throws -> JSON {
            if action == "list" { return try await list() }
            let key = try AzureLive.key(user, arguments[0])
            switch action {
            case "store":
                _ = try await vault.write(
                    key, AzureLive.item("v", AzureLive.text(arguments[1])), condition: .none, deadline: AzureLive.deadline)
                return .string("ok")
            case "get":
                guard let item = try await vault.read(key, deadline: AzureLive.deadline) else { return .null }
                guard case .text(let text) = item.payload else { throw Unknown(step: action) }
                return .string(text)
            case "delete":
                return .bool(try await vault.remove(key, ifVersion: nil, deadline: AzureLive.deadline))
            case "disable", "enable":
                let body = JSON.object([("attributes", .object([("enabled", .bool(action == "enable"))]))])
                do throws(AzureFault) {
                    _ = try await vault.client.call(.patch, "/secrets/\(vault.names.name(of: key.key))/", body, deadline: AzureLive.deadline)
                    return .string("ok")
                } catch {
                    throw vault.failure(error)
                }
            default: throw Unknown(step: action)
            }
        }

        private func list() async throws -> JSON {
            var connections: [String] = []
            var cursor: [UInt8]?
            repeat {
                let page = try await vault.list(
                    user: VaultUser(id: user, tag: []), after: cursor, limit: 2, deadline: AzureLive.deadline)
                for entry in page.entries { if case .key(let key) = entry.name { connections.append(key.connection) } }
                cursor = page.next
            } while cursor != nil
            return .array(connections.sorted().map(JSON.string))
        }
    }
}
