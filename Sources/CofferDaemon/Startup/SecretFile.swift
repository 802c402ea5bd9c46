import CofferCore
import CofferCrypto

/// Files that hold tokens and keys, read into memory that is wiped. Reading may block:
/// see `FileReader`.
enum SecretFile {
    /// More than any token or profile has.
    private static let maximumBytes = 1 << 20

    /// A whole file; nil if it is not there.
    ///
    /// - Throws: FAILED_PRECONDITION if it cannot be read, is larger than 1 MiB, or if
    ///   the rule forbids its kind, owner or mode.
    static func readIfThere(_ path: String, _ rule: ProtectedFile.Rule) throws(Failure) -> Secret? {
        do throws(KeyError) {
            return try ProtectedFile.read(path, what: "file", limit: maximumBytes, rule: rule)
        } catch {
            if error.reason == .absent { return nil }
            throw Failure(.failedPrecondition, .vaultRefused, error.description, isUnsent: true)
        }
    }
}
