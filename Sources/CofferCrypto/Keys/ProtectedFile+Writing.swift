internal import Glibc

extension ProtectedFile {
    /// Makes the folder, mode 0700, if it is not there; the one above it must be. It is on disk when this returns.
    package static func makeFolder(_ path: String) throws(KeyError) {
        guard mkdir(path, 0o700) == 0 else {
            if errno == EEXIST { return }
            throw .system("make the folder", path)
        }
        do throws(KeyError) {
            try ProtectedFolder(of: path).syncFolder()
        } catch {
            // The next call makes it again, and does not take it for durable.
            rmdir(path)
            throw error
        }
    }

    /// Makes the file or replaces it, mode 0600: whole or not at all, whenever the machine stops. It is on disk when this
    /// returns.
    package static func replace(_ path: String, by bytes: [UInt8]) throws(KeyError) {
        let folder = try ProtectedFolder(of: path)
        try folder.replace(bytes.span.bytes)
    }

    /// Removes the file; one that is not there is no error.
    package static func remove(_ path: String) throws(KeyError) {
        let folder = try ProtectedFolder(of: path)
        try folder.remove()
    }

    /// The names in a folder that is ours and nobody else's to write to, without those that begin with a period; none if
    /// there is no folder.
    package static func names(inFolder path: String) throws(KeyError) -> [String] {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            if errno == ENOENT { return [] }
            throw .system("examine the folder", path)
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw KeyError(.permissions, "\(path): expected a folder")
        }
        guard status.st_uid == geteuid(), status.st_mode & 0o022 == 0 else {
            throw KeyError(
                .permissions,
                "\(path): expected a folder of uid \(geteuid()) that nobody else may write to; chown and chmod 0700 it")
        }
        guard let folder = opendir(path) else { throw .system("open the folder", path) }
        defer { closedir(folder) }
        var names: [String] = []
        while true {
            // The end is told from a failure by errno only.
            errno = 0
            guard let entry = readdir(folder) else {
                guard errno == 0 else { throw .system("read the folder", path) }
                break
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }
}
