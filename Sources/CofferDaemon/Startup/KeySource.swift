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

    /// - Parameter passphrase: `$CREDENTIAL_ENCRYPTION_KEY`.
    static func choose(
        _ configuration: Configuration, passphrase: Secret?
    ) throws(StartupError) -> KeySource {
        if !configuration.keyFile.isEmpty { return .keyFile(configuration.keyFile) }
        if !configuration.passphraseFile.isEmpty { return .passphraseFile(configuration.passphraseFile) }
        if let passphrase { return .passphraseVariable(passphrase) }
        if let folder = getenv("CREDENTIALS_DIRECTORY").map({ String(cString: $0) }),
            access("\(folder)/\(credentialName)", F_OK) == 0
        {
            return .systemdCredential(folder: folder)
        }
        guard !configuration.isProduction else {
            let place = configuration.places["environment"].map { "\($0): environment is production: " } ?? ""
            throw StartupError(
                "\(place)no root key is configured, and production never generates one: set key.file, key.passphrase_file, CREDENTIAL_ENCRYPTION_KEY or a systemd credential \(credentialName)",
                exitCode: StartupError.configurationExitCode)
        }
        return .generated(configuration.data + "/root.key")
    }

    /// False only for one that the first start makes.
    var isThere: Bool {
        guard case .generated(let path) = self else { return true }
        return access(path, F_OK) == 0
    }

    /// For people: where the key is.
    var place: String {
        switch self {
        case .passphraseVariable: "derived from $CREDENTIAL_ENCRYPTION_KEY"
        case .passphraseFile(let path): "derived from the passphrase in \(path)"
        case .keyFile(let path): path
        case .systemdCredential: "systemd credential \(Self.credentialName)"
        case .generated(let path): path
        }
    }

    /// Bytes that a passphrase has at least in production.
    static let minimumPassphraseBytes = 12

    /// - Throws: if it is a passphrase that production refuses.
    func check(_ key: RootKey, isProduction: Bool) throws(StartupError) {
        guard isProduction, case .passphrase(let passphrase) = key,
            passphrase.count < Self.minimumPassphraseBytes
        else { return }
        throw StartupError(
            "\(place): the passphrase has \(passphrase.count) bytes, and production expects at least "
                + "\(Self.minimumPassphraseBytes); choose one that is hard to guess, for instance from: openssl rand -base64 24",
            exitCode: StartupError.configurationExitCode)
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
}
