internal import CofferCore
internal import Glibc

/// Reads files that hold secrets: regular ones that nobody else can read.
enum ProtectedFile {
    /// Who may own the file, and which permission bits it may not have.
    enum Rule {
        /// Ours, and nothing for group and others.
        case own
        /// What systemd puts into $CREDENTIALS_DIRECTORY: ours or root's, and
        /// nothing for others. Access goes by an ACL there, whose mask shows as
        /// the group's bits.
        case credential
    }

    /// The whole file.
    ///
    /// - Parameters:
    ///   - what: what the file is, for messages: "key ring", …
    ///   - limit: its largest size, in bytes.
    /// - Throws: `.absent`, `.permissions`, `.damaged` if it is larger, `.system`.
    static func read(_ path: String, what: String, limit: Int, rule: Rule = .own) throws(KeyError) -> Secret {
        // Non-blocking: opening a FIFO would wait for its writer otherwise.
        let number = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard number >= 0 else {
            if errno == ELOOP {
                throw KeyError(.permissions, "\(path): the \(what) must be a regular file, not a symbolic link")
            }
            throw .system("open the \(what)", path)
        }
        let file = Descriptor(number)
        var status = stat()
        guard fstat(file.number, &status) == 0 else { throw .system("examine the \(what)", path) }
        try check(status, path, what, rule)
        guard status.st_size <= limit else {
            throw KeyError(.damaged, "\(path): the \(what) has \(status.st_size) bytes; at most \(limit) are possible")
        }
        return try contents(of: file, Int(status.st_size), path, what)
    }

    private static func check(_ status: stat, _ path: String, _ what: String, _ rule: Rule) throws(KeyError) {
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw KeyError(.permissions, "\(path): the \(what) must be a regular file")
        }
        let us = geteuid()
        guard status.st_uid == us || (rule == .credential && status.st_uid == 0) else {
            throw KeyError(
                .permissions, "\(path): the \(what) belongs to uid \(status.st_uid); expected \(us): chown \(us) it")
        }
        let mode = status.st_mode & 0o777
        let forbidden: mode_t = rule == .own ? 0o077 : 0o007
        guard mode & forbidden == 0 else {
            throw KeyError(
                .permissions,
                "\(path): the \(what) has mode 0\(String(mode, radix: 8)), open to others; chmod 0600 it, and "
                    + "consider who has read it")
        }
    }

    private static func contents(
        of file: borrowing Descriptor, _ size: Int, _ path: String, _ what: String
    ) throws(KeyError) -> Secret {
        let number = file.number
        return try Secret(count: size) { region throws(KeyError) in
            var filled = 0
            while filled < size {
                let got = Glibc.read(number, region.baseAddress! + filled, size - filled)
                if got < 0, errno == EINTR { continue }
                guard got >= 0 else { throw .system("read the \(what)", path) }
                guard got > 0 else { throw KeyError(.damaged, "\(path): the \(what) shrank while it was read") }
                filled += got
            }
        }
    }
}

/// Owns a file descriptor.
struct Descriptor: ~Copyable {
    let number: Int32

    init(_ number: Int32) { self.number = number }

    deinit { close(number) }
}
