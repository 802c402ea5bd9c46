import Dispatch
import Glibc
import Synchronization

/// Carries lines to standard output and error on a thread of its own: a pipe that
/// nobody reads, or a log on a file system that hangs, stops nobody who logs.
///
/// It holds up to 1 MiB. A line for which there is no room, or that the system does
/// not accept, is dropped and counted; the count is logged as soon as lines are
/// written again.
package final class LogQueue: Sendable {
    private struct Line {
        let descriptor: Int32
        let bytes: [UInt8]
    }

    private struct State {
        var lines: [Line] = []
        /// Of these, and of those being written.
        var bytes = 0
        /// Not yet reported.
        var dropped: UInt64 = 0
        var droppedTotal: UInt64 = 0
        var isWriting = false
        var whenIdle: [DispatchSemaphore] = []
    }

    package static let maximumBytes = 1 << 20
    /// Of a line in the queue, beside its bytes.
    private static let lineOverhead = 64

    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let report: @Sendable (UInt64) -> String
    private let write: @Sendable (Int32, [UInt8]) -> Bool

    /// - Parameters:
    ///   - report: the line that says how many were dropped, without its end.
    ///   - write: writes all bytes to a descriptor, however long that takes; false if
    ///     the system refuses them.
    package init(
        report: @escaping @Sendable (UInt64) -> String,
        write: @escaping @Sendable (Int32, [UInt8]) -> Bool = LogQueue.system
    ) {
        self.report = report
        self.write = write
    }

    /// Starts the thread that writes. Lines that came before wait for it.
    ///
    /// - Throws: when the system gives no thread.
    package func start() throws(StartupError) {
        try DaemonThread.start("coffer-log") { self.run() }
    }

    /// Adds a line, without its end, for standard error. Never blocks.
    package func append(_ line: String) { append(Array(line.utf8) + [10], to: 2) }

    /// Adds a text as it is. Never blocks.
    package func append(_ bytes: [UInt8], to descriptor: Int32) {
        let isFirst = state.withLock { state in
            guard state.bytes + bytes.count + Self.lineOverhead <= Self.maximumBytes else {
                state.dropped += 1
                state.droppedTotal += 1
                return false
            }
            state.bytes += bytes.count + Self.lineOverhead
            state.lines.append(Line(descriptor: descriptor, bytes: bytes))
            return state.lines.count == 1
        }
        if isFirst { wake.signal() }
    }

    /// Lines that nobody will ever see.
    package var droppedTotal: UInt64 { state.withLock { $0.droppedTotal } }

    /// Waits until all is written, but no longer than that.
    package func flush(milliseconds: Int) {
        let idle = DispatchSemaphore(value: 0)
        let mustWait = state.withLock { state in
            guard state.isWriting || !state.lines.isEmpty else { return false }
            state.whenIdle.append(idle)
            return true
        }
        if mustWait { _ = idle.wait(timeout: .now() + .milliseconds(milliseconds)) }
    }

    private func run() {
        while true {
            wake.wait()
            while let (lines, dropped) = take() {
                var lost: UInt64 = 0
                for line in lines where !write(line.descriptor, line.bytes) { lost += 1 }
                var reported = dropped
                if dropped > 0, !write(2, Array(report(dropped).utf8) + [10]) { reported = 0 }
                let written = lines.reduce(0) { $0 + $1.bytes.count + Self.lineOverhead }
                state.withLock { state in
                    state.bytes -= written
                    state.dropped = state.dropped + lost - reported
                    state.droppedTotal += lost
                }
            }
        }
    }

    /// What there is to write and to report; nil if there is nothing.
    private func take() -> (lines: [Line], dropped: UInt64)? {
        let (taken, idle) = state.withLock { state -> ((lines: [Line], dropped: UInt64)?, [DispatchSemaphore]) in
            state.isWriting = !state.lines.isEmpty
            guard state.isWriting else {
                defer { state.whenIdle = [] }
                return (nil, state.whenIdle)
            }
            let lines = state.lines
            state.lines = []
            return ((lines, state.dropped), [])
        }
        for waiter in idle { waiter.signal() }
        return taken
    }

    /// The whole of it, to a descriptor that may be non-blocking.
    package static func system(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno == EAGAIN {
                var readiness = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                poll(&readiness, 1, -1)
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}
