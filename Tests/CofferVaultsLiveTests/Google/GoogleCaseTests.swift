import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultKit
import Foundation
import Testing

@testable import CofferGoogle

/// Tests/Live/google_cases.json, which Google's own client passes in the same run: Tests/Live/google_interop.py.
@Suite struct GoogleCaseTests {
    private struct Unknown: Error {
        let step: String
    }

    /// A value of the table: a text that is repeated is ["x", 65536], and {"coffer": …} is what only we give.
    private static func expand(_ json: JSON) -> JSON {
        if let elements = json.elements, elements.count == 2, let text = elements[0].text, let count = elements[1].integer {
            return .string(String(repeating: text, count: Int(count)))
        }
        return json["coffer"] ?? json
    }

    private static func text(_ json: JSON) -> String { json.encode().text ?? "" }

    @Test(.timeLimit(.minutes(2))) func passesTheCasesThatTheClientPasses() async throws {
        let content = try #require(FileManager.default.contents(atPath: try GoogleLive.variable("CASES")))
        let cases = try #require(try JSON.parse(content.withUnsafeBytes { Secret(copying: $0) }).elements)
        #expect(cases.count >= 17)
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
        private let vault: GoogleVault
        private let admin: GoogleVault
        private let user: String

        init(_ each: JSON, user: String) throws {
            self.user = user
            let change = { (options: inout GoogleOptions) in
                options.location = each["location"]?.text
                if let project = each["project"]?.text { options.project = project }
                // As in the table, where nothing else destroys versions.
                options.versionsKept = 0
            }
            vault = try GoogleLive.vault(
                try GoogleLive.file(each["account"]?.text ?? "app"), prefix: "coffer-cases", change: change)
            admin = try GoogleLive.vault(try GoogleLive.file("admin"), prefix: "coffer-cases", change: change)
        }

        func run(_ action: String, _ arguments: [JSON]) async throws -> JSON {
            do {
                return try await result(of: action, arguments.compactMap(\.text))
            } catch let failure as Failure {
                return .string(Self.names[failure.code] ?? "\(failure.code)")
            }
        }

        private static let names: [StatusCode: String] = [
            .failedPrecondition: "FAILED_PRECONDITION", .permissionDenied: "PERMISSION_DENIED",
            .invalidArgument: "INVALID_ARGUMENT",
        ]

        private func result(of action: String, _ arguments: [String]) async throws -> JSON {
            if action == "list" { return try await list() }
            let key = try GoogleLive.key(user, arguments[0])
            let secret = vault.names.name(of: key.key)
            switch action {
            case "store":
                _ = try await vault.write(
                    key, GoogleLive.item("v", GoogleLive.text(arguments[1])), condition: .none, deadline: GoogleLive.deadline)
                return .string("ok")
            case "get":
                guard let item = try await vault.read(key, deadline: GoogleLive.deadline) else { return .null }
                guard case .text(let text) = item.payload else { throw Unknown(step: action) }
                return .string(text)
            case "delete":
                return .bool(try await vault.remove(key, ifVersion: nil, deadline: GoogleLive.deadline))
            case "create":
                return try await ask("\(admin.parent)?secretId=\(secret)", .object([("replication", .object([("automatic", .object([JSON.Member]()))]))]))
            case "disable", "enable", "destroy":
                return try await ask("\(admin.path(of: secret))/versions/latest:\(action)", .object([JSON.Member]()))
            default: throw Unknown(step: action)
            }
        }

        private func ask(_ path: String, _ body: JSON) async throws -> JSON {
            do throws(GoogleFault) {
                _ = try await admin.client.call(.post, path, body, deadline: GoogleLive.deadline)
                return .string("ok")
            } catch {
                guard case .refused(let refusal) = error else { throw admin.failure(error) }
                return .string(refusal.kind == .exists ? "ALREADY_EXISTS" : refusal.kind == .precondition ? "FAILED_PRECONDITION" : "?")
            }
        }

        private func list() async throws -> JSON {
            var connections: [String] = []
            var cursor: [UInt8]?
            repeat {
                let page = try await vault.list(
                    user: VaultUser(id: user, tag: []), after: cursor, limit: 2, deadline: GoogleLive.deadline)
                for entry in page.entries { if case .key(let key) = entry.name { connections.append(key.connection) } }
                cursor = page.next
            } while cursor != nil
            return .array(connections.sorted().map(JSON.string))
        }
    }
}
