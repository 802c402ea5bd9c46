import CofferCore
import CofferWire

/// What to check when a step of an examination fails, for the kind of the vault.
struct DoctorAdvice {
    /// Beside the cause, if the test record may be left.
    static let leftover =
        "The test record of the user \(Doctor.user) may still be in the vault; delete it there."

    private enum Kind { case local, hashiCorp, aws }

    private let kind: Kind

    /// - Parameter kind: of the vault, as in its configuration.
    init(kind: String) {
        self.kind =
            switch kind {
            case "vault": .hashiCorp
            case "aws": .aws
            default: .local
            }
    }

    /// In the imperative, for people.
    func advice(for failure: Failure) -> String {
        switch failure.reason {
        case .vaultUnreachable: unreachable
        case .vaultRefused where failure.code == .unauthenticated: login
        case .vaultRefused where failure.code == .failedPrecondition: setUp
        case .vaultRefused: permission
        case .vaultFailed: broken
        case .deadline:
            "Check how busy the vault is. Try again with a longer --timeout; if that helps, raise the vault's timeout_ms."
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

    private var unreachable: String {
        switch kind {
        case .hashiCorp:
            "Check that the vault is running at its address, that this host reaches it through firewalls and the configured proxy, and that ca_file and server_name fit its certificate."
        case .aws:
            "Check region and endpoint, that this host reaches them through firewalls and the configured proxy, and that ca_file fits the certificate."
        case .local:
            "Check the data folder, and look at the daemon's log."
        }
    }

    private var login: String {
        switch kind {
        case .hashiCorp:
            "Check that the token, role or secret id is valid and that its file is the one meant, and check auth and auth_mount."
        case .aws:
            "Check that the access key, profile or role that the daemon finds is valid and not expired, and that the host's clock is right."
        case .local:
            "Look at the daemon's log."
        }
    }

    private var setUp: String {
        switch kind {
        case .hashiCorp:
            "Check that what the message names exists and is what the vault expects: the file, the mount, the namespace."
        case .aws:
            "Check that what the message names exists and may be used: the file, the profile, the region, kms_key."
        case .local:
            "Check that the file or folder that the message names exists."
        }
    }

    private var permission: String {
        switch kind {
        case .hashiCorp:
            "Check that the policy of the daemon's role lets it create, read, update and delete below its prefix, in the configured mount and namespace."
        case .aws:
            "Check that the daemon's IAM policy lets it create, read, update and delete secrets below its prefix in the region, and use kms_key."
        case .local:
            "Check the owner and the mode of the data folder."
        }
    }

    private var broken: String {
        switch kind {
        case .hashiCorp:
            "Look at the vault's own log: it answers, but not as it should. Check that mount is a KV engine of version 2, and that nothing else answers at the address."
        case .aws:
            "The service answers, but not as it should. Check its status for the region, and that nothing else answers at the endpoint."
        case .local:
            "Look at the daemon's log, and check the disk of the data folder."
        }
    }
}
