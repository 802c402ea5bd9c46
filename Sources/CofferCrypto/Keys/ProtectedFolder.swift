internal import CLinux
internal import Glibc

/// The folder of a protected file, locked: who holds one is alone in replacing
/// files there, in this and other processes that do it this way.
///
/// A file appears whole or not at all, whenever the machine stops: its bytes are
/// on disk under another name, and have been read back, before it gets its own.
struct ProtectedFolder: ~Copyable {
    private let folder: Descriptor
    private let path: String
    private let name: String

    private var temporary: String { ".\(name).new" }

    /// Locks the folder of the file `path`, waiting for who has it.
    init(of path: String) throws(KeyError) {
        let parts = try Self.split(path)
        folder = try Self.lock(parts.folder)
        name = parts.name
        self.path = path
    }

    private static func split(_ path: String) throws(KeyError) -> (folder: String, name: String) {
        let slash = path.utf8.lastIndex(of: UInt8(ascii: "/"))
        let name = slash.map { String(path[path.utf8.index(after: $0)...]) } ?? path
        guard !name.isEmpty, name != ".", name != ".." else {
            throw KeyError(.limit, "\(path): expected the path of a file")
        }
        let folder = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) }
        return (folder ?? ".", name)
    }

    private static func lock(_ folder: String) throws(KeyError) -> Descriptor {
        let number = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard number >= 0 else { throw .system("open the folder", folder) }
        let descriptor = Descriptor(number)
        while flock(number, LOCK_EX) != 0 {
            guard errno == EINTR else { throw .system("lock the folder", folder) }
        }
        return descriptor
    }

    /// Makes the file, mode 0600.
    ///
    /// - Throws: `.exists` if it is there.
    func create(_ bytes: RawSpan) throws(KeyError) {
        try writeTemporary(bytes)
        guard linkat(folder.number, temporary, folder.number, name, 0) == 0 else {
            let error =
                errno == EEXIST ? KeyError(.exists, "\(path): there is a file already") : .system("create", path)
            removeTemporary()
            throw error
        }
        removeTemporary()
        try syncFolder()
    }

    /// Makes the file or replaces it, mode 0600.
    func replace(_ bytes: RawSpan) throws(KeyError) {
        try writeTemporary(bytes)
        guard renameat(folder.number, temporary, folder.number, name) == 0 else {
            let error = KeyError.system("replace", path)
            removeTemporary()
            throw error
        }
        try syncFolder()
    }

    private func writeTemporary(_ bytes: RawSpan) throws(KeyError) {
        // What an interrupted write left. Never opened: it may be the file itself
        // under its first name.
        removeTemporary()
        let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
        let number = openat(folder.number, temporary, flags, 0o600)
        guard number >= 0 else { throw .system("create a file beside", path) }
        let file = Descriptor(number)
        do throws(KeyError) {
            try bytes.withUnsafeBytes { bytes throws(KeyError) in try write(bytes, to: file) }
        } catch {
            removeTemporary()
            throw error
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer, to file: borrowing Descriptor) throws(KeyError) {
        var written = 0
        while written < bytes.count {
            let count = Glibc.write(file.number, bytes.baseAddress! + written, bytes.count - written)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .system("write", path) }
            written += count
        }
        guard fsync(file.number) == 0 else { throw .system("make durable", path) }
        try check(bytes, in: file)
    }

    /// Nothing takes the place of a good file that does not read back as it should.
    private func check(_ bytes: UnsafeRawBufferPointer, in file: borrowing Descriptor) throws(KeyError) {
        let number = file.number
        try withUnsafeTemporaryAllocation(byteCount: bytes.count + 1, alignment: 1) { copy throws(KeyError) in
            defer { if let start = copy.baseAddress { coffer_wipe(start, copy.count) } }
            var count = 0
            while count < copy.count {
                let got = pread(number, copy.baseAddress! + count, copy.count - count, off_t(count))
                if got < 0, errno == EINTR { continue }
                guard got >= 0 else { throw .system("read back", path) }
                guard got > 0 else { break }
                count += got
            }
            guard count == bytes.count, memcmp(copy.baseAddress!, bytes.baseAddress!, count) == 0 else {
                throw KeyError(
                    .system, "cannot write \(path): the disk gives back other bytes than it got; the file is as before",
                    isOfHost: true)
            }
        }
    }

    /// Removes the file; one that is not there is no error.
    func remove() throws(KeyError) {
        guard unlinkat(folder.number, name, 0) == 0 || errno == ENOENT else { throw .system("remove", path) }
        try syncFolder()
    }

    private func removeTemporary() { _ = unlinkat(folder.number, temporary, 0) }

    func syncFolder() throws(KeyError) {
        guard fsync(folder.number) == 0 else { throw .system("make durable the folder of", path) }
    }
}
