import CofferCore
import CofferCrypto
import CofferHTTP
import CofferVaultKit
import Dispatch
import Glibc
import Logging
import Synchronization

/// Reads the PEM files of a vault's connections, and again when they have changed or it is asked to:
/// on a thread of its own, as a file system may hang.
final class TLSFileWatch: Sendable {
    /// How long a changed file goes unnoticed, in seconds.
    static let interval = 2
    /// A caller that waits until the files have been read.
    private final class Request: Sendable {
        private let done = DispatchSemaphore(value: 0)
        private let state = Mutex<(outcome: Result<Bool, Failure>?, isGivenUp: Bool)>((nil, false))

        /// False if nobody waits for it any more.
        func answer(_ result: Result<Bool, Failure>) -> Bool {
            defer { done.signal() }
            return state.withLock { state in
                state.outcome = result
                return !state.isGivenUp
            }
        }

        func outcome(within limit: Duration) -> Result<Bool, Failure>? {
            _ = done.wait(timeout: .now() + .seconds(Int(limit.components.seconds)))
            return state.withLock { state in
                state.isGivenUp = state.outcome == nil
                return state.outcome
            }
        }
    }

    private struct State {
        var requests: [Request] = []
        var isStopped = false
    }

    /// What the files hold.
    let contents: TLSFiles
    private let whenChanged: @Sendable () -> Void
    private let files: PEMFiles
    /// As they were before they were read first: what changes while the daemon starts is noticed.
    private let firstStamps: [[Int]]
    private let log: Logger
    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)

    /// Reads the files; nil if the vault's settings name none.
    ///
    /// - Parameter whenChanged: called when they hold something else than before and nobody has asked to read them,
    ///   on the thread that follows them. It may block.
    /// - Throws: FAILED_PRECONDITION that names the setting and the file.
    init?(
        _ vault: VaultConfiguration, log: Logger, whenChanged: @escaping @Sendable () -> Void = {}
    ) throws(Failure) {
        guard let files = PEMFiles(vault) else { return nil }
        self.files = files
        self.whenChanged = whenChanged
        self.log = log
        firstStamps = files.stamps
        contents = TLSFiles(try files.read())
    }

    /// Follows the files: `contents` holds what they hold. What cannot be read leaves what was read before.
    func start() throws(Failure) {
        do throws(StartupError) {
            try DaemonThread.start("coffer-tls") { self.follow() }
        } catch {
            throw .internalError(error.message)
        }
    }

    /// Reads the files at once, changed or not. Blocks the thread, which is not the one that follows them.
    ///
    /// - Parameter patience: how long to wait for them, in whole seconds.
    /// - Returns: whether they hold something else than before.
    /// - Throws: why they could not be read: what was read before stays in use.
    func reload(within patience: Duration = FileReader.patience) throws(Failure) -> Bool {
        let request = Request()
        state.withLock { $0.requests.append(request) }
        wake.signal()
        guard let outcome = request.outcome(within: patience) else { throw .fileHangs(files.path) }
        return try outcome.get()
    }

    /// Ends the thread, unless a file system has it.
    func stop() {
        state.withLock { $0.isStopped = true }
        wake.signal()
    }

    private func follow() {
        var last = firstStamps
        var isReadable = true
        while true {
            _ = wake.wait(timeout: .now() + .seconds(Self.interval))
            let (isStopped, requests) = state.withLock { state in
                defer { state.requests = [] }
                return (state.isStopped, state.requests)
            }
            if isStopped { return }
            let now = files.stamps
            guard now != last || !isReadable || !requests.isEmpty else { continue }
            do throws(Failure) {
                let isChanged = contents.replace(with: try files.read())
                let isHeard = requests.filter { $0.answer(.success(isChanged)) }.count > 0
                if isChanged && !isHeard {
                    log.notice("read changed TLS files", metadata: ["vault": "\(files.vault)"])
                    whenChanged()
                }
                isReadable = true
                last = now
            } catch {
                let isHeard = requests.filter { $0.answer(.failure(error)) }.count > 0
                if isReadable && !isHeard {
                    log.error(
                        "cannot read changed TLS files: those read before stay in use",
                        metadata: ["vault": "\(files.vault)", "cause": "\(error.message)"])
                }
                isReadable = false
            }
        }
    }
}

/// The PEM files that a vault's settings name.
private struct PEMFiles: Sendable {
    private static let maximumBytes = 4 << 20

    /// The setting, its file, and who else may read it.
    struct Place: Sendable {
        let setting: String
        let path: String
        let rule: ProtectedFile.Rule
        /// What is expected in it, and whether it is there.
        let expects: String
        let isGood: @Sendable (Secret) -> Bool
    }

    let vault: String
    private let authority: Place?
    private let certificate: Place?
    private let key: Place?

    /// Nil if there are none.
    init?(_ vault: VaultConfiguration) {
        func certificates(_ setting: String, _ path: String) -> Place? {
            path.isEmpty
                ? nil
                : Place(
                    setting: setting, path: path, rule: .open, expects: "certificates in PEM form",
                    isGood: PEM.hasCertificates)
        }
        self.vault = vault.name
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

    /// For people.
    var path: String { (authority ?? certificate)?.path ?? "" }

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
        let (authority, shown, its) = (try content(authority), try content(certificate), try content(key))
        if let shown, let its, let certificate, let key, !PEM.isKey(its, of: shown) {
            throw Failure(
                .failedPrecondition, .vaultRefused,
                "\(key.setting): \(key.path) is not the key of \(certificate.setting), \(certificate.path)", vault: vault)
        }
        return TLSFiles.Content(authority: authority, certificate: shown, key: its)
    }

    /// What changes when a file does, links followed; a missing one has none.
    var stamps: [[Int]] {
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
