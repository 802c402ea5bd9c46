internal import Glibc

/// Why a key or a key ring cannot be used: one line for the operator, without
/// anything of a key in it.
package struct KeyError: Error, Equatable, Sendable, CustomStringConvertible {
    package enum Reason: Sendable {
        /// The file is not there.
        case absent
        /// A file is there where one was to be made.
        case exists
        /// The ring was made with another key, passphrase or kind of key.
        case wrongKey
        /// The file is not what was written.
        case damaged
        /// The wrong owner, mode or kind of file.
        case permissions
        /// Not 32 bytes, an empty passphrase, …
        case badKey
        /// A number or size out of its range.
        case limit
        /// No such term in the ring.
        case unknownTerm
        /// The system refused; the message has its reason.
        case system
    }

    package let reason: Reason
    package let description: String
    /// The host is the cause, not a setting: a full or failing disk, no memory.
    package let isOfHost: Bool

    init(_ reason: Reason, _ description: String, isOfHost: Bool = false) {
        self.reason = reason
        self.description = description
        self.isOfHost = isOfHost
    }

    /// A failed system call; reads errno.
    static func system(_ action: String, _ path: String) -> KeyError {
        let number = errno
        return KeyError(
            number == ENOENT ? .absent : .system, "cannot \(action) \(path): \(String(cString: strerror(number)))",
            isOfHost: [ENOSPC, EDQUOT, EIO, ENOMEM, EMFILE, ENFILE].contains(number))
    }
}
