internal import CofferCore
internal import CofferCrypto
internal import CofferVaultKit
internal import Synchronization

/// Where files are kept: the disk, or what a test puts in its place. All of it may block.
struct FlyDisk: Sendable {
    var makeFolder: @Sendable (_ path: String) throws(KeyError) -> Void = { path throws(KeyError) in
        try ProtectedFile.makeFolder(path)
    }
    var replace: @Sendable (_ path: String, _ bytes: [UInt8]) throws(KeyError) -> Void = { path, bytes throws(KeyError) in
        try ProtectedFile.replace(path, by: bytes)
    }
    var remove: @Sendable (_ path: String) throws(KeyError) -> Void = { path throws(KeyError) in
        try ProtectedFile.remove(path)
    }
}

/// A file for each secret that was written, for as long as an environment may lack it, and one for how far deployments have
/// come: sealed under the daemon's keys but for the last one, mode 0600, replaced whole, and on disk before anything else is
/// done.
///
/// Writing is done on a thread of its own, which is started with the first one.
final class FlyFiles: Sendable {
    /// More than the sealed form of two values with an escape for each of their bytes.
    private static let maximumBytes = 2 << 20
    private static let contentType = "coffer.fly.write.v1"
    private static let ending = ".sealed"
    private static let progressName = "deployed"

    enum Change: Sendable {
        case replace(path: String, [UInt8])
        case remove(path: String)
    }

    let folder: String
    private let sealer: RecordSealer?
    private let identity: [UInt8]
    private let app: String
    private let vault: String
    private let disk: FlyDisk
    private let watch: DeadlineWatch
    private let lane: Lane<Change, Bool>
    private let threads = ThreadGroup()
    /// Which of the threads run.
    private let started = Mutex((watch: false, lane: false))
    /// Calls that wait for the disk, beyond those that the vault works on at once.
    private static let capacity = 4_096

    /// - Parameters:
    ///   - sealer: nil = nothing is opened or written; files are looked at for their rights.
    ///   - app: files of another app's secrets do not open.
    init(
        folder: String, sealer: RecordSealer?, identity: [UInt8], app: String, vault: String, clock: any Clock,
        disk: FlyDisk = FlyDisk()
    ) {
        self.folder = folder
        self.sealer = sealer
        self.identity = identity
        self.app = app
        self.vault = vault
        self.disk = disk
        watch = DeadlineWatch(clock: clock)
        lane = Lane(vault: vault, clock: clock, watch: watch, capacity: Self.capacity)
    }

    deinit {
        // Without `close` the threads would wait forever.
        lane.close()
        watch.close()
    }

    // MARK: Reading

    /// What the files hold; for the start. It may block.
    struct Contents {
        var entries: [ByteText: FlyEntry] = [:]
        /// Paths of files that do not open.
        var damaged: Set<String> = []
        var progress = FlyDeployment.Progress()
    }

    /// - Throws: FAILED_PRECONDITION if the folder cannot be read, or a file is another user's or open to others.
    func load() throws(Failure) -> Contents {
        var contents = Contents()
        do throws(KeyError) {
            for file in try ProtectedFile.names(inFolder: folder) where file.hasSuffix(Self.ending) {
                let path = "\(folder)/\(file)"
                let sealed = try read(path, "file of what was stored")
                guard sealer != nil else { continue }
                var name = ""
                if let text = sealed.flatMap({ open($0, file) }), let entry = FlyEntry(text, name: &name),
                    self.file(name) == file
                {
                    contents.entries[ByteText(name)] = entry
                } else {
                    contents.damaged.insert(path)
                }
            }
            // If it is gone or damaged, Machines are updated that need not be.
            contents.progress =
                try read(progressPath, "file of what was deployed").flatMap(progress) ?? FlyDeployment.Progress()
        } catch {
            throw Failure(.failedPrecondition, .disk, error.description, vault: vault)
        }
        return contents
    }

    /// - Returns: nil for a file that is not there or is damaged: that is the failure of one record.
    private func read(_ path: String, _ what: String) throws(KeyError) -> Secret? {
        do throws(KeyError) {
            return try ProtectedFile.read(path, what: what, limit: Self.maximumBytes)
        } catch {
            if error.reason == .permissions { throw error }
            return nil
        }
    }

    private var progressPath: String { "\(folder)/\(Self.progressName)" }

    /// "APP VERSION MACHINE"; nil for anything else, and for another app, whose versions mean nothing here.
    private func progress(_ text: Secret) -> FlyDeployment.Progress? {
        let parts = (text.text ?? "").split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == app, let version = UInt64(parts[1]) else { return nil }
        return FlyDeployment.Progress(version: version, machine: String(parts[2]))
    }

    /// Removes files that have nothing left to say; for the start. One that stays is looked at again at the next.
    func forget(_ names: [ByteText]) {
        guard sealer != nil else { return }
        for name in names { try? disk.remove(path(name)) }
    }

    private func open(_ sealed: Secret, _ file: String) -> Secret? {
        let bytes = sealed.withBytes { bytes in
            var cursor = ByteCursor()
            return cursor.array(count: bytes.byteCount, in: bytes) ?? []
        }
        return sealer?.open(bytes, identity: identity, name: label(file), contentType: Self.contentType)
    }

    /// Bound into the file: it opens under this app and this name only.
    private func label(_ file: String) -> [UInt8] { Array("fly/\(app)/\(file)".utf8) }

    /// Not the name itself: it may be longer than a file's.
    private func file(_ name: String) -> String {
        Hex.text(Digest.sha256(Array(name.utf8)).prefix(16)) + Self.ending
    }

    /// Where the file of a secret is.
    func path(_ name: ByteText) -> String { "\(folder)/\(file(name.text))" }

    // MARK: Writing

    /// Makes an entry durable, or removes its file if it is empty.
    ///
    /// - Throws: RESOURCE_EXHAUSTED or UNAVAILABLE if the disk does not keep it; DEADLINE_EXCEEDED, after which it may.
    func save(_ entry: FlyEntry, of name: ByteText, deadline: BootInstant) async throws(Failure) {
        try startThreads()
        let path = path(name)
        let change: Change
        if entry.isEmpty {
            change = .remove(path: path)
        } else {
            guard let sealer else { throw .internalError("a vault that was only checked is written to") }
            let sealed = try sealer.seal(
                entry.encode(name: name.text), identity: identity, name: label(file(name.text)), contentType: Self.contentType)
            change = .replace(path: path, sealed)
        }
        _ = try await lane.submit(change, deadline: deadline)
    }

    /// Makes the progress of a deployment durable.
    ///
    /// - Throws: as the other `save`.
    func save(_ progress: FlyDeployment.Progress, deadline: BootInstant) async throws(Failure) {
        try startThreads()
        let text = Array("\(app) \(progress.version) \(progress.machine)".utf8)
        _ = try await lane.submit(.replace(path: progressPath, text), deadline: deadline)
    }

    private func startThreads() throws(Failure) {
        try started.withLock { started throws(Failure) in
            guard !started.lane else { return }
            let (watch, lane, folder, disk, vault) = (watch, lane, folder, disk, vault)
            if !started.watch { try threads.start("coffer-fly-watch") { watch.run() } }
            started.watch = true
            try threads.start("coffer-fly") {
                lane.serve { change throws(Failure) in try Self.perform(change, folder, disk, vault) }
            }
            started.lane = true
        }
    }

    private static func perform(_ change: Change, _ folder: String, _ disk: FlyDisk, _ vault: String) throws(Failure) -> Bool {
        do throws(KeyError) {
            switch change {
            case .replace(let path, let bytes):
                try disk.makeFolder(folder)
                try disk.replace(path, bytes)
            case .remove(let path): try disk.remove(path)
            }
            return true
        } catch {
            // Without a folder there is no file either.
            if case .remove = change, error.reason == .absent { return true }
            throw .flyDisk(error.description, isOfHost: error.isOfHost, vault: vault)
        }
    }

    func close() async {
        lane.close()
        watch.close()
        await threads.ended()
    }
}
