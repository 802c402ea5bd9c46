import Glibc

/// Where the handler writes the numbers of signals. Set while a relay is open.
private nonisolated(unsafe) var relayDescriptor: Int32 = -1

private func relay(_ number: Int32) {
    let before = errno
    var byte = UInt8(truncatingIfNeeded: number)
    _ = write(relayDescriptor, &byte, 1)
    errno = before
}

/// Makes the signals that end or stop a program something to wait for, so that a terminal
/// can be restored first. One at a time in a process.
struct SignalRelay {
    private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP]

    private let reading: Int32
    private let writing: Int32
    /// What was there before, of the signals that were not ignored.
    private let before: [(signal: Int32, action: sigaction)]

    /// Nil, with `errno`, if the system has no pipe left.
    init?() {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        (reading, writing) = (ends[0], ends[1])
        relayDescriptor = ends[1]
        before = Self.signals.compactMap { signal in
            var action = sigaction()
            sigaction(signal, nil, &action)
            return Self.isIgnored(action) ? nil : (signal, action)
        }
        for (signal, _) in before { Self.install(signal) }
    }

    /// Puts back what was there before.
    func close() {
        for (signal, action) in before { restore(signal, action) }
        relayDescriptor = -1
        Glibc.close(reading)
        Glibc.close(writing)
    }

    /// Waits until the descriptor is readable, or returns the signal that came first.
    func wait(for descriptor: Int32, milliseconds: Int32) -> Int32? {
        while true {
            var wanted = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: reading, events: Int16(POLLIN), revents: 0),
            ]
            let ready = poll(&wanted, 2, milliseconds)
            if ready < 0 && errno == EINTR { continue }
            guard ready > 0, wanted[1].revents != 0 else { return nil }
            var byte: UInt8 = 0
            return read(reading, &byte, 1) == 1 ? Int32(byte) : nil
        }
    }

    /// Whether there is something to read within the time.
    func isReadable(_ descriptor: Int32, milliseconds: Int32) -> Bool {
        var wanted = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&wanted, 1, milliseconds) > 0
    }

    /// Lets a signal do what it would have done. Returns if the process goes on after it.
    func deliver(_ signal: Int32) {
        guard let action = self.before.first(where: { $0.signal == signal })?.action else { return }
        restore(signal, action)
        // Threads of Swift's pool have signals blocked.
        var (this, before) = (sigset_t(), sigset_t())
        sigemptyset(&this)
        sigaddset(&this, signal)
        pthread_sigmask(SIG_UNBLOCK, &this, &before)
        raise(signal)
        pthread_sigmask(SIG_SETMASK, &before, nil)
        Self.install(signal)
    }

    private static func install(_ signal: Int32) {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = relay
        sigaction(signal, &action, nil)
    }

    private static func isIgnored(_ action: sigaction) -> Bool {
        unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == 1
    }

    private func restore(_ signal: Int32, _ action: sigaction) {
        var action = action
        sigaction(signal, &action, nil)
    }
}
