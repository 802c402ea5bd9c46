import CofferCore
import CofferCrypto
import CofferVaultKit

/// The keys of a start. A root key that is drawn now becomes a file right before the first database
/// is made under it. A ring of which there is no file is derived from the root key, and becomes a file
/// only when the vaults have opened under it: a start that is refused leaves no key behind that would
/// be taken for the right one.
struct KeyStore {
    let ring: KeyRing
    /// For people: where the root key is.
    let place: String
    /// The ring was derived now.
    let isDerived: Bool
    /// The daemon drew the root key itself, now or earlier.
    let isGenerated: Bool
    private let file: KeyRingFile
    /// A root key that was drawn now, and its path.
    private let drawn: (key: Secret, path: String)?

    /// - Throws: what is missing or does not fit, and what to do. No ring was made then.
    init(
        _ configuration: Configuration, passphrase: Secret?, found: DataFolder, now: WallMilliseconds
    ) throws(StartupError) {
        let source = try Self.source(configuration, passphrase, found)
        let root = try Self.root(source, isProduction: configuration.isProduction)
        do throws(KeyError) {
            let opened = try Self.opened(found.ring, root)
            isDerived = opened == nil
            if let opened {
                file = opened
            } else {
                file = try .derive(path: found.ring, root: root.key, now: now)
            }
            ring = file.ring
            place = source.place + (root.isNew ? " (made now: keep a copy apart from the data)" : "")
        } catch {
            throw StartupError(error)
        }
        if case .generated(let path) = source {
            isGenerated = true
            drawn = if root.isNew, case .key(let key) = root.key { (key, path) } else { nil }
        } else {
            (isGenerated, drawn) = (false, nil)
        }
    }

    /// Finds what a start would refuse about the root key, and makes none.
    static func check(_ configuration: Configuration, passphrase: Secret?, found: DataFolder) throws(StartupError) {
        let source = try source(configuration, passphrase, found)
        if source.isThere { _ = try root(source, isProduction: configuration.isProduction) }
    }

    private static func root(_ source: KeySource, isProduction: Bool) throws(StartupError) -> KeySource.Loaded {
        let root: KeySource.Loaded
        do throws(KeyError) {
            root = try source.load()
        } catch {
            throw StartupError(error)
        }
        try source.check(root.key, isProduction: isProduction)
        return root
    }

    /// Makes the file of a root key that was drawn now. Nothing may have been sealed before.
    func saveRoot() throws(StartupError) {
        guard let drawn else { return }
        let isOurs: Bool
        do throws(KeyError) {
            isOurs = try RootKey.fileOrGenerated(drawn.path, drawn: drawn.key).isNew
        } catch {
            throw StartupError(error)
        }
        guard isOurs else {
            throw StartupError("\(drawn.path): another start has made it at the same time; start again")
        }
    }

    /// Makes the file of a ring that was derived now.
    func save() throws(StartupError) {
        guard isDerived else { return }
        do throws(KeyError) {
            try file.create()
        } catch {
            throw StartupError(error)
        }
    }

    /// The ring in the file; nil if there is none.
    private static func opened(_ path: String, _ root: KeySource.Loaded) throws(KeyError) -> KeyRingFile? {
        do throws(KeyError) {
            return try KeyRingFile.open(path: path, root: root.key)
        } catch where error.reason == .absent {
            return nil
        } catch where error.reason == .wrongKey {
            return try former(path, root, error)
        }
    }

    /// The ring as versions before made it with the same root key.
    ///
    /// - Throws: `error` if it is not one of these; else what stops it from being opened.
    private static func former(
        _ path: String, _ root: KeySource.Loaded, _ error: KeyError
    ) throws(KeyError) -> KeyRingFile {
        guard let former = root.former else { throw error }
        do throws(KeyError) {
            return try KeyRingFile.open(path: path, root: former)
        } catch let failure {
            // That neither fits is one mistake; a lack of memory, say, is another.
            throw failure.reason == .wrongKey ? error : failure
        }
    }

    private static func source(
        _ configuration: Configuration, _ passphrase: Secret?, _ found: DataFolder
    ) throws(StartupError) -> KeySource {
        let source: KeySource?
        do throws(KeyError) {
            source = try KeySource.choose(configuration, passphrase: passphrase)
        } catch {
            throw StartupError(error)
        }
        guard let source else {
            let place = configuration.places["environment"].map { "\($0): environment is production: " } ?? ""
            throw StartupError(
                "\(place)no root key is configured, and production never generates one: set key.file, key.passphrase_file, CREDENTIAL_ENCRYPTION_KEY or a systemd credential coffer.key",
                exitCode: StartupError.configurationExitCode)
        }
        // A key that is made up now opens nothing that is there.
        if case .generated(let path) = source, !DataFolder.isThere(path), let sealed = found.sealed {
            throw StartupError(
                "no root key is configured, and \(sealed) needs the one that it was made with: set key.file, key.passphrase_file or CREDENTIAL_ENCRYPTION_KEY, or bring back \(path)",
                exitCode: StartupError.configurationExitCode)
        }
        return source
    }
}
