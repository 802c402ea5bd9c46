import CofferCore
import CofferVault
import CofferWire

/// What to check when a step of an examination fails.
struct DoctorAdvice {
    /// Beside the cause, if the test record may be left.
    static let leftover =
        "The test record of the user \(Doctor.user) may still be in the vault; delete it there."

    /// What fits the vault's type.
    private let vault: VaultAdvice

    init(_ vault: VaultAdvice) { self.vault = vault }

    /// In the imperative, for people.
    func advice(for failure: Failure) -> String {
        switch failure.reason {
        case .vaultUnreachable: vault.unreachable
        case .vaultRefused where failure.code == .unauthenticated: vault.login
        case .vaultRefused where failure.code == .failedPrecondition: vault.setUp
        case .vaultRefused: vault.permission
        case .vaultFailed: vault.broken
        case .deadline where failure.isTimeout:
            "Check that the vault is not overloaded or stopped. If it is only slow, raise its timeout_ms."
        case .deadline:
            "Check how busy the vault is. Try again with a longer --timeout."
        case .limit:
            "Too many calls wait, or the breaker is open: coffer vaults shows both. The breaker closes by itself when the vault answers again."
        case .unreadableRecord:
            "Check that no other program writes this vault's records, and no daemon with other keys or another environment."
        case .disk:
            "Check that the disk of the data folder has room, and look at the kernel's log."
        case .notSupported, .credentialTooLarge:
            "This vault or its format cannot keep such records; the manual's page on vaults says what each kind can do."
        case .internal:
            "This is a fault of the daemon: look at its log, and report it."
        default:
            "Look at the daemon's log."
        }
    }
}
