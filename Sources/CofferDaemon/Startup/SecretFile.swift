import CofferCore
import Glibc

/// Files that hold tokens and keys, read into memory that is wiped.
enum SecretFile {
    /// More than any token or profile has.
    private static let maximumBytes = 1 << 20

    /// A whole file.
    ///
    /// - Throws: FAILED_PRECONDITION if it is not there, cannot be read or is larger than 1 MiB.
    static func read(_ path: String) throws(Failure) -> Secret {
        guard let content = try readIfThere(path) else { throw unreadable(path, "it is not there") }
        return content
    }

    /// A whole file; nil if it is not there.
    static func readIfThere(_ path: String) throws(Failure) -> Secret? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw unreadable(path, String(cString: strerror(errno)))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw unreadable(path, "it is no file")
        }
        // One more than it has, to see whether it has grown meanwhile.
        let room = min(Int(status.st_size), maximumBytes) + 1
        var count = 0
        let content = try Secret(count: room) { region throws(Failure) in
            while count < room {
                let got = Glibc.read(descriptor, region.baseAddress! + count, room - count)
                if got < 0 && errno == EINTR { continue }
                guard got >= 0 else { throw unreadable(path, String(cString: strerror(errno))) }
                if got == 0 { break }
                count += got
            }
        }
        guard count < room else {
            throw unreadable(path, "it has more than \(maximumBytes) bytes, or has grown while it was read")
        }
        return content.withBytes { Secret(copying: $0.extracting(0..<count)) }
    }

    private static func unreadable(_ path: String, _ why: String) -> Failure {
        Failure(.failedPrecondition, .vaultRefused, "\(path) cannot be read: \(why)")
    }
}
