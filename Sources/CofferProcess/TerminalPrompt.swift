import Glibc

/// Asks for a line at the terminal without showing what is typed.
package struct TerminalPrompt {
    /// The terminal drops what a line has beyond this many bytes, its end included.
    private static let longestLine = 4_096
    /// A program that pastes several lines sends the next one within this time.
    private static let pasteMilliseconds: Int32 = 50

    private enum Event {
        case line(Int)
        case signal(Int32)
        case failed(TerminalFailure)
    }

    private let text: String
    private let input = StandardStream.input.rawValue

    /// - Parameter text: what is asked, written to standard error.
    package init(_ text: String) { self.text = text }

    /// Reads one line from standard input, a terminal, into `region`. Enter or Ctrl-D ends it
    /// and is not part of it. The terminal is restored in every case, signals included.
    ///
    /// - Returns: how many bytes came.
    /// - Throws: if they are not the whole line.
    package func readLine(into region: UnsafeMutableRawBufferPointer) throws(TerminalFailure) -> Int {
        var before = termios()
        guard tcgetattr(input, &before) == 0, let relay = SignalRelay() else {
            throw .stream(StreamFailure("cannot use the terminal", errno))
        }
        defer { relay.close() }
        while true {
            switch ask(into: region, before, relay) {
            case .line(let count): return count
            case .failed(let failure): throw failure
            // Ends the process, or returns when it was stopped and goes on.
            case .signal(let number): relay.deliver(number)
            }
        }
    }

    private func ask(
        into region: UnsafeMutableRawBufferPointer, _ before: termios, _ relay: SignalRelay
    ) -> Event {
        var (hidden, shown) = (before, before)
        hidden.c_lflag &= ~tcflag_t(ECHO)
        hidden.c_lflag |= tcflag_t(ICANON | ISIG)
        guard tcsetattr(input, TCSAFLUSH, &hidden) == 0 else {
            return .failed(.stream(StreamFailure("cannot hide what is typed", errno)))
        }
        try? StandardStream.error.write(text)
        defer {
            // What was typed too much is dropped: it is no command for the shell.
            tcsetattr(input, TCSAFLUSH, &shown)
            try? StandardStream.error.write("\n")
        }
        return line(into: region, relay)
    }

    private func line(into region: UnsafeMutableRawBufferPointer, _ relay: SignalRelay) -> Event {
        var count = 0
        while count < region.count {
            if let signal = relay.wait(for: input, milliseconds: -1) { return .signal(signal) }
            let got = read(input, region.baseAddress.map { $0 + count }, region.count - count)
            if got < 0 && (errno == EINTR || errno == EAGAIN) { continue }
            if got < 0 { return .failed(.stream(StreamFailure("cannot read standard input", errno))) }
            if got == 0 { return .line(count) }
            count += got
            guard let end = region[..<count].firstIndex(of: UInt8(ascii: "\n")) else { continue }
            if end + 1 >= Self.longestLine { return .failed(.longLine(limit: Self.longestLine - 2)) }
            let isLast = end == count - 1 && !relay.isReadable(input, milliseconds: Self.pasteMilliseconds)
            return isLast ? .line(end) : .failed(.severalLines)
        }
        return .line(count)
    }
}

/// Why nothing usable was typed.
package enum TerminalFailure: Error, Equatable, CustomStringConvertible, Sendable {
    case stream(StreamFailure)
    /// The terminal may have dropped the rest.
    case longLine(limit: Int)
    case severalLines

    package var description: String {
        switch self {
        case .stream(let failure): failure.description
        case .longLine(let limit):
            "a terminal passes on at most \(limit) bytes of a line; use a pipe or --file"
        case .severalLines:
            "expected one line, got several; use a pipe or --file"
        }
    }
}
