package import CofferCore
internal import Glibc

/// Reads files that hold secrets: regular ones that nobody else can read. Never waits
/// for a FIFO's writer; a file system that hangs can hold it up.
package enum ProtectedFile {
    /// Who may own the file, and which permission bits it may not have.
    package enum Rule: CaseIterable, Sendable {
        /// Made by us: ours, no link, and nothing for group and others.
        case own
        /// Laid out by the operator: ours, and nothing for group and others; or root's,
        /// nothing for others, and readable for a group of ours. Links are followed:
        /// this is how Kubernetes lays out a Secret with mode 0400 or 0440.
        case secret
        /// Laid out by a platform with a mode that is not the operator's to choose, as
        /// Kubernetes does with a pod's token: ours or root's, and only its owner may
        /// write to it. Links are followed.
        case platform
        /// No secret: any regular file. Links are followed.
        case open
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
    package static func read(_ path: String, what: String, limit: Int, rule: Rule = .own) throws(KeyError) -> Secret {
        let links = rule == .own || rule == .credential ? O_NOFOLLOW : 0
        // Non-blocking: opening a FIFO would wait for its writer otherwise.
        let number = open(path, O_RDONLY | links | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
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
        if rule == .open { return }
        let us = geteuid()
        guard status.st_uid == us || (rule != .own && status.st_uid == 0) else {
            throw KeyError(
                .permissions, "\(path): the \(what) belongs to uid \(status.st_uid); expected \(us): chown \(us) it")
        }
        let mode = status.st_mode & 0o777
        if rule == .platform {
            guard mode & 0o022 == 0 else {
                throw KeyError(
                    .permissions,
                    "\(path): the \(what) has mode 0\(String(mode, radix: 8)), so that others can write to it; "
                        + "chmod 0600 it")
            }
            return
        }
        let forbidden: mode_t =
            switch rule {
            case .credential: 0o007
            case .secret where isForOurGroup(status): 0o037
            default: 0o077
            }
        guard mode & forbidden == 0 else {
            throw KeyError(
                .permissions,
                "\(path): the \(what) has mode 0\(String(mode, radix: 8)), open to others; chmod 0600 it, and "
                    + "consider who has read it")
        }
    }

    /// Root's, readable for one of our groups. Of root's own files only one that nobody
    /// can write to is: what a volume of Secrets holds.
    private static func isForOurGroup(_ status: stat) -> Bool {
        guard status.st_uid == 0, geteuid() != 0 || status.st_mode & 0o222 == 0 else { return false }
        if status.st_gid == getegid() { return true }
        let count = getgroups(0, nil)
        guard count > 0 else { return false }
        var groups = [gid_t](repeating: 0, count: Int(count))
        return getgroups(count, &groups) == count && groups.contains(status.st_gid)
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
