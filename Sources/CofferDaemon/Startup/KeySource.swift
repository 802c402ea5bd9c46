import CLinux
import CofferCore
import CofferCrypto
import Glibc

/// Where the root key comes from, in the order it is looked for.
enum KeySource {
    /// `$CREDENTIAL_ENCRYPTION_KEY`, taken out of the environment.
    case passphraseVariable(Secret)
    case passphraseFile(String)
    case keyFile(String)
    /// A credential named `coffer.key` that systemd has laid out.
    case systemdCredential(folder: String)
    /// A file in the data folder, made at the first start.
    case generated(String)

    private static let credentialName = "coffer.key"
    private static let variable = "CREDENTIAL_ENCRYPTION_KEY"

    static func choose(_ configuration: Configuration) throws(StartupError) -> KeySource {
        // Taken in any case: no secret stays in the environment.
        let passphrase = takeVariable()
        if !configuration.keyFile.isEmpty { return .keyFile(configuration.keyFile) }
        if !configuration.passphraseFile.isEmpty { return .passphraseFile(configuration.passphraseFile) }
        if let passphrase { return .passphraseVariable(passphrase) }
        if let folder = getenv("CREDENTIALS_DIRECTORY").map({ String(cString: $0) }),
            access("\(folder)/\(credentialName)", F_OK) == 0
        {
            return .systemdCredential(folder: folder)
        }
        guard !configuration.isProduction else {
            throw StartupError(
                "no key is given, and in production none is made up: set key.file, key.passphrase_file, CREDENTIAL_ENCRYPTION_KEY or a systemd credential \(credentialName)",
                exitCode: StartupError.configurationExitCode)
        }
        return .generated(configuration.data + "/root.key")
    }

    /// For people: where the key is.
    var place: String {
        switch self {
        case .passphraseVariable: "derived from $\(Self.variable)"
        case .passphraseFile(let path): "derived from the passphrase in \(path)"
        case .keyFile(let path): path
        case .systemdCredential: "systemd credential \(Self.credentialName)"
        case .generated(let path): path
        }
    }

    /// - Returns: the key, and whether it was made now.
    func load() throws(KeyError) -> (key: RootKey, isNew: Bool) {
        switch self {
        case .passphraseVariable(let secret): (try .checked(passphrase: secret), false)
        case .passphraseFile(let path): (try .passphraseFile(path), false)
        case .keyFile(let path): (try .file(path), false)
        case .systemdCredential(let folder):
            (try .credential(Self.credentialName, folder: folder), false)
        case .generated(let path): try RootKey.fileOrGenerated(path)
        }
    }

    /// The passphrase, wiped where it stood; nil if it is not set.
    private static func takeVariable() -> Secret? {
        guard let value = getenv(variable) else { return nil }
        let length = strlen(value)
        defer {
            coffer_wipe(value, length)
            unsetenv(variable)
        }
        guard length > 0 else { return nil }
        return Secret(copying: UnsafeRawBufferPointer(start: value, count: length))
    }
}
