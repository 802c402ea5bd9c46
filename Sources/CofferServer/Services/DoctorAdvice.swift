import CofferCore
import CofferWire

/// What to check when a step of the doctor's fails.
enum DoctorAdvice {
    static func advice(for failure: Failure, in action: DoctorStep.Action) -> String {
        let cause = advice(for: failure)
        guard action == .delete else { return cause }
        return cause + " The test record of the user \(Doctor.user) may still be there; delete it in the vault."
    }

    private static func advice(for failure: Failure) -> String {
        switch failure.reason {
        case .vaultUnreachable:
            "Is the vault running, and its address right? Does this host reach it, past firewalls and by the configured proxy? Do ca_file and server_name fit its certificate?"
        case .vaultRefused where failure.code == .unauthenticated:
            "Does the token, role or secret id still hold, and is the file with it the one the vault expects? Are auth and auth_mount right?"
        case .vaultRefused where failure.code == .failedPrecondition:
            "Is there what the message names: the file, the mount and namespace, the key? Is it what the vault expects?"
        case .vaultRefused:
            "May the daemon create, read, update and delete below its prefix? Look at the policy of its role, at mount and namespace or at region and kms_key."
        case .vaultFailed:
            "Look at the vault's own log: it answers, but not as it should. Is mount of a KV engine of version 2, and is nothing else between the daemon and the vault?"
        case .deadline:
            "How busy are the vault and the way to it? Try again with a longer --timeout; if that helps, raise timeout_ms of the vault."
        case .limit:
            "Too many calls wait, or the breaker is open: coffer vaults shows both. It closes by itself when the vault works again."
        case .unreadableRecord:
            "Does another program write this vault's records, or another daemon with other keys or another environment?"
        case .disk:
            "Is there room on the disk of the data folder, and what does the kernel's log say of it?"
        case .notSupported, .credentialTooLarge:
            "This vault or its format cannot keep such records; the manual's page on vaults says what each kind can do."
        case .internal:
            "A fault of the daemon: its log has more. Please report it."
        default:
            "The daemon's log has more."
        }
    }
}
