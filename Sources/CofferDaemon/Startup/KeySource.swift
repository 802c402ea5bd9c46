import CofferCore
import CofferCrypto
import Glibc

/// Where the root key comes from, in the order it is looked for.
enum KeySource {
    /// `$CREDENTIAL_ENCRYPTION_KEY`, taken out of the environment.
    case passphraseVariable(Passphrase)
    case passphraseFile(String)
    case keyFile(String)
    /// A credential named `coffer.key` that systemd has laid out.
    case systemdCredential(folder: String)
    /// A file in the data folder, made at the first start.
    case generated(String)

    private static let credentialName = "coffer.key"

    /// - Parameter passphrase: `$CREDENTIAL_ENCRYPTION_KEY`, as it stood there.
    /// - Returns: nil if none is given, and none may be made up.
    static func choose(
        _ configuration: Configuration, passphrase: Secret?
    ) throws(KeyError) -> KeySource? {
        if !configuration.keyFile.isEmpty { return .keyFile(configuration.keyFile) }
        if !configuration.passphraseFile.isEmpty { return .passphraseFile(configuration.passphraseFile) }
        if let passphrase { return .passphraseVariable(try Passphrase(inVariable: passphrase)) }
        if let folder = getenv("CREDENTIALS_DIRECTORY").map({ String(cString: $0) }),
            access("\(folder)/\(credentialName)", F_OK) == 0
        {
            return .systemdCredential(folder: folder)
        }
        return configuration.isProduction ? nil : .generated(configuration.data + "/root.key")
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

    /// A root key as it is understood now, and as versions before understood what was given, if
    /// that is another: a ring may have been made with it.
    struct Loaded {
        let key: RootKey
        let former: RootKey?
        /// It was drawn now, and is in no file yet.
        var isNew = false

        init(_ key: RootKey, isNew: Bool = false) { (self.key, former, self.isNew) = (key, nil, isNew) }

        init(_ passphrase: Passphrase) {
            key = .passphrase(passphrase.text)
            former = passphrase.former.map { .passphrase($0) }
        }
    }

    func load() throws(KeyError) -> Loaded {
        switch self {
        case .passphraseVariable(let passphrase): return Loaded(passphrase)
        case .passphraseFile(let path): return Loaded(try RootKey.passphraseFile(path))
        case .keyFile(let path): return Loaded(try .file(path))
        case .systemdCredential(let folder):
            return Loaded(try .credential(Self.credentialName, folder: folder))
        case .generated(let path):
            do throws(KeyError) {
                return Loaded(try .file(path))
            } catch where error.reason == .absent {
                return Loaded(.random(), isNew: true)
            }
        }
    }
}
