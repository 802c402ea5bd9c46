import Glibc

/// Standard input, output and error, by their descriptors.
package enum StandardStream: Int32, Sendable {
    case input = 0
    case output = 1
    case error = 2

    var name: String {
        switch self {
        case .input: "standard input"
        case .output: "standard output"
        case .error: "standard error"
        }
    }

    /// Whether it is a terminal.
    package var isTerminal: Bool { isatty(rawValue) == 1 }

    /// To be called first of all: a closed standard stream becomes a descriptor that fails,
    /// so that no socket and no file gets its number; and a write to a closed pipe is an
    /// error instead of the end of the process.
    package static func prepare() {
        signal(SIGPIPE, SIG_IGN)
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) == -1 {
            // Open for the other direction only. The lowest free number is this one.
            if descriptor == 0, open("/dev/null", O_WRONLY) == 0 { continue }
            _ = open("/", O_RDONLY | O_DIRECTORY)
        }
    }

    /// Writes all of it, however small the pieces that the other side takes.
    ///
    /// - Throws: why not all could be written.
    package func write(_ bytes: UnsafeRawBufferPointer) throws(StreamFailure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest)
            let count = Glibc.write(rawValue, piece.baseAddress, piece.count)
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count == 0 {
                throw StreamFailure("cannot write to \(name)", EIO)
            } else if !Self.mayTryAgain(rawValue, POLLOUT) {
                throw StreamFailure("cannot write to \(name)", errno)
            }
        }
    }

    /// Writes all of the text.
    package func write(_ text: String) throws(StreamFailure) {
        var text = text
        do {
            try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
        } catch let error as StreamFailure {
            throw error
        } catch {
            throw StreamFailure("cannot write to \(name)", EIO)
        }
    }

    /// Closes it at the end of the program. Some file systems say only then that there was
    /// no room.
    package func finish() throws(StreamFailure) {
        guard close(rawValue) != 0, errno != EINTR else { return }
        throw StreamFailure("cannot write to \(name)", errno)
    }

    /// Reads to the end of the input, or until `region` is full; returns how many bytes came.
    ///
    /// - Parameters:
    ///   - descriptor: open for reading; it may be non-blocking.
    ///   - name: for the error.
    package static func read(
        _ descriptor: Int32, _ name: String, into region: UnsafeMutableRawBufferPointer
    ) throws(StreamFailure) -> Int {
        var count = 0
        while count < region.count {
            let got = Glibc.read(descriptor, region.baseAddress.map { $0 + count }, region.count - count)
            if got > 0 {
                count += got
            } else if got == 0 {
                break
            } else if !mayTryAgain(descriptor, POLLIN) {
                throw StreamFailure("cannot read \(name)", errno)
            }
        }
        return count
    }

    /// After a call that failed: whether it was no fault of the stream's. Waits where a
    /// blocking descriptor would.
    private static func mayTryAgain(_ descriptor: Int32, _ events: Int32) -> Bool {
        if errno == EINTR { return true }
        guard errno == EAGAIN || errno == EWOULDBLOCK else { return false }
        var wanted = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        return poll(&wanted, 1, -1) > 0 || errno == EINTR
    }
}

/// A stream or a file could not be read or written whole.
package struct StreamFailure: Error, Equatable, CustomStringConvertible, Sendable {
    /// "cannot write to standard output"
    let doing: String
    /// The system's error number.
    package let code: Int32

    package init(_ doing: String, _ code: Int32) {
        self.doing = doing
        self.code = code
    }

    package var description: String { "\(doing): \(String(cString: strerror(code)))" }
}
