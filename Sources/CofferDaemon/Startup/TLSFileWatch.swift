import CofferCore
import CofferCrypto
import CofferHTTP
import CofferVaultKit
import Glibc
import Logging

/// Reads the PEM files of a vault's connections, and again when they have changed:
/// on a thread of its own, as a file system may hang.
struct TLSFileWatch: Sendable {
    /// How long a changed file goes unnoticed.
    static let interval: UInt32 = 2
    private static let maximumBytes = 4 << 20

    /// The setting, its file, and who else may read it.
    private struct Place: Sendable {
        let setting: String
        let path: String
        let rule: ProtectedFile.Rule
        /// What is expected in it, and whether it is there.
        let expects: String
        let isGood: @Sendable (Secret) -> Bool
    }

    private let vault: String
    private let authority: Place?
    private let certificate: Place?
    private let key: Place?
    private let log: Logger

    /// Nil if the vault's settings name no files.
    init?(_ vault: VaultConfiguration, log: Logger) {
        func certificates(_ setting: String, _ path: String) -> Place? {
            path.isEmpty
                ? nil
                : Place(
                    setting: setting, path: path, rule: .open, expects: "certificates in PEM form",
                    isGood: PEM.hasCertificates)
        }
        self.vault = vault.name
        self.log = log
        authority = certificates("ca_file", vault[RemoteSettings.caFile])
        certificate = certificates("client_certificate_file", vault[RemoteSettings.clientCertificateFile])
        let keyFile = vault[RemoteSettings.clientKeyFile]
        key =
            keyFile.isEmpty
            ? nil
            : Place(
                setting: "client_key_file", path: keyFile, rule: .secret,
                expects: "a private key in PEM form, without a password", isGood: PEM.hasPrivateKey)
        if authority == nil && certificate == nil { return nil }
    }

    /// All of them.
    ///
    /// - Throws: FAILED_PRECONDITION that names the setting and the file.
    func read() throws(Failure) -> TLSFiles.Content {
        func content(_ place: Place?) throws(Failure) -> Secret? {
            guard let place else { return nil }
            let content: Secret
            do throws(KeyError) {
                content = try ProtectedFile.read(
                    place.path, what: "file", limit: Self.maximumBytes, rule: place.rule)
            } catch {
                throw Failure(.failedPrecondition, .vaultRefused, "\(place.setting): \(error.description)", vault: vault)
            }
            guard place.isGood(content) else {
                throw Failure(
                    .failedPrecondition, .vaultRefused, "\(place.setting): \(place.path): expected \(place.expects)",
                    vault: vault)
            }
            return content
        }
        return TLSFiles.Content(
            authority: try content(authority), certificate: try content(certificate), key: try content(key))
    }

    /// Keeps `files` as the files are. What cannot be read leaves what was read before.
    func start(_ files: TLSFiles) throws(Failure) {
        do throws(StartupError) {
            try DaemonThread.start("coffer-tls") { follow(files) }
        } catch {
            throw .internalError(error.message)
        }
    }

    private func follow(_ files: TLSFiles) {
        var last = stamps
        var isReadable = true
        while true {
            sleep(Self.interval)
            let now = stamps
            guard now != last || !isReadable else { continue }
            do throws(Failure) {
                if files.replace(with: try read()) {
                    log.notice("read changed TLS files", metadata: ["vault": "\(vault)"])
                }
                isReadable = true
                last = now
            } catch {
                if isReadable {
                    log.error(
                        "cannot read changed TLS files: those read before stay in use",
                        metadata: ["vault": "\(vault)", "cause": "\(error.message)"])
                }
                isReadable = false
            }
        }
    }

    /// What changes when a file does, links followed; a missing one has none.
    private var stamps: [[Int]] {
        [authority, certificate, key].map { place in
            var status = stat()
            guard let place, stat(place.path, &status) == 0 else { return [] }
            return [
                Int(status.st_dev), Int(bitPattern: UInt(status.st_ino)), Int(status.st_size), status.st_mtim.tv_sec,
                status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec,
            ]
        }
    }
}
