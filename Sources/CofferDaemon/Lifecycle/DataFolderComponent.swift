import Glibc
import Synchronization

/// The data folder, made where it is missing.
final class DataFolderComponent: Component {
    private let folder: String
    /// The folders that were not there, outermost first.
    private let made = Mutex<[String]>([])

    init(_ folder: String) { self.folder = folder }

    func start() throws(StartupError) {
        try DataFolder.check(folder)
        var path = ""
        var new: [String] = []
        for part in folder.split(separator: "/", omittingEmptySubsequences: true) {
            path += (path.isEmpty && !folder.hasPrefix("/") ? "" : "/") + part
            if mkdir(path, 0o700) == 0 {
                new.append(path)
                continue
            }
            if errno == EEXIST || errno == EROFS { continue }
            let error = StartupError("cannot make the data folder \(path): \(String(cString: strerror(errno)))")
            for folder in new.reversed() { rmdir(folder) }
            throw error
        }
        made.withLock { $0 = new }
    }

    /// Removes what it made, where it is empty and the configuration is refused. Any other error can mean that
    /// another start uses the folder.
    func undo(after error: StartupError) {
        guard error.exitCode == StartupError.configurationExitCode else { return }
        for folder in made.withLock({ $0 }).reversed() { rmdir(folder) }
    }
}
