import CofferAccess
import CofferCore
import CofferCrypto
import CofferPolicy

/// Reads the policy that a configuration names.
struct PolicySource {
    /// Of the file.
    private static let maximumBytes = 1 << 20

    private let host: HostNames
    private let owner: UInt32

    /// - Parameter owner: who may do everything where no policy is named.
    init(_ host: HostNames, owner: UInt32) {
        self.host = host
        self.owner = owner
    }

    /// - Throws: every mistake there is, a line for each.
    func policy(_ configuration: Configuration) throws(PolicyRefused) -> Policy {
        let path = configuration.policyFile
        guard !path.isEmpty else { return .owner(owner) }
        let text = try text(path)
        do throws(PolicyMistakes) {
            return try PolicyFile.read(text, host)
        } catch {
            throw PolicyRefused(lines: PolicyReport.lines(error, file: path))
        }
    }

    private func text(_ path: String) throws(PolicyRefused) -> String {
        let content: Secret
        do throws(KeyError) {
            content = try ProtectedFile.read(path, what: "policy", limit: Self.maximumBytes, rule: .platform)
        } catch {
            throw PolicyRefused(lines: [error.description])
        }
        let bytes = content.withBytes { bytes in (0..<bytes.byteCount).map { bytes.byte(at: $0) } }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PolicyRefused(lines: ["\(path): the policy is not UTF-8"])
        }
        return text
    }
}

/// Why a policy is not put in force.
struct PolicyRefused: Error {
    let lines: [String]
}
