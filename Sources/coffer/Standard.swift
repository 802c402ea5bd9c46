import ArgumentParser
import Coffer
import Glibc

/// Standard input, output and error.
enum Standard {
    static func output(_ text: String) {
        Array(text.utf8).withUnsafeBytes { write($0, to: 1) }
    }

    static func error(_ text: String) {
        Array(text.utf8).withUnsafeBytes { write($0, to: 2) }
    }

    /// The credential's bytes as they are, without a newline after them.
    static func output(_ credential: Credential) {
        credential.withUnsafeBytes { write($0, to: 1) }
    }

    /// All of standard input, or of a file, into memory that is wiped.
    ///
    /// - Throws: a usage error if it cannot be read or is larger than `limit` bytes.
    static func credential(from path: String?, limit: Int) throws -> Credential {
        var fd: Int32 = 0
        if let path {
            fd = open(path, O_RDONLY | O_CLOEXEC)
            guard fd >= 0 else {
                throw ValidationError("cannot read \(path): \(String(cString: strerror(errno)))")
            }
        } else if isatty(0) == 1 {
            error("coffer: type the credential, then Ctrl-D\n")
        }
        defer { if path != nil { close(fd) } }
        var count = 0
        let buffer = Credential(count: limit + 1) { region in
            while count < region.count {
                let got = read(fd, region.baseAddress! + count, region.count - count)
                if got < 0 && errno == EINTR { continue }
                if got <= 0 { break }
                count += got
            }
        }
        guard count <= limit else {
            throw ValidationError("a credential has at most \(limit) bytes; this is longer")
        }
        return buffer.withUnsafeBytes { bytes in
            Credential(count: count) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count])) }
        }
    }

    private static func write(_ bytes: UnsafeRawBufferPointer, to fd: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest)
            let count = Glibc.write(fd, piece.baseAddress, piece.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
