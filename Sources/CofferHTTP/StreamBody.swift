internal import CofferCore
internal import Synchronization

/// The body of a streamed answer between the I/O thread, which brings pieces, and the task that
/// reads them. It holds a bounded amount: when it is full, libcurl stops reading, and so in the end the server has to wait.
final class StreamBody: Sendable {
    /// Bytes that wait for the reader; libcurl brings up to 16 KiB at a time.
    static let capacity = 64 << 10

    typealias Outcome = Result<Secret?, HTTPError>

    /// For how long the server may send nothing while there is room.
    let idle: Duration

    private struct State: ~Copyable {
        var pieces: [Secret] = []
        var bytes = 0
        /// libcurl was told to wait.
        var isPaused = false
        /// No more comes; nil = it still may.
        var end: Result<Void, HTTPError>?
        var reader: CheckedContinuation<Outcome, Never>?

        mutating func take() -> Outcome? {
            guard let piece = pieces.first else { return end.map { $0.map { nil } } }
            pieces.removeFirst()
            bytes -= piece.count
            return .success(piece)
        }
    }

    private let state = Mutex(State())

    init(idle: Duration) { self.idle = idle }

    // MARK: The I/O thread

    /// - Returns: false if there is no room: the same bytes are to be brought again when the
    ///   reader has made some.
    func put(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let piece = Secret(copying: bytes)
        let reader = state.withLock { state -> (isTaken: Bool, CheckedContinuation<Outcome, Never>?) in
            guard state.bytes == 0 || state.bytes + piece.count <= Self.capacity else {
                state.isPaused = true
                return (false, nil)
            }
            guard let reader = state.reader.take() else {
                state.pieces.append(piece)
                state.bytes += piece.count
                return (true, nil)
            }
            return (true, reader)
        }
        reader.1?.resume(returning: .success(piece))
        return reader.isTaken
    }

    /// The server has sent all, or it broke off. What has come before is still read, unless nobody wants it.
    func finish(_ outcome: Result<Void, HTTPError>) {
        let reader = state.withLock { state in
            guard state.end == nil else { return nil as CheckedContinuation<Outcome, Never>? }
            state.end = outcome
            if case .failure(let error) = outcome, error.cause == .cancelled {
                state.pieces = []
                state.bytes = 0
            }
            return state.reader.take()
        }
        reader?.resume(returning: outcome.map { nil })
    }

    // MARK: The reader

    /// Gives the next piece to the reader as soon as there is one.
    ///
    /// - Returns: true if libcurl waits for room, and there is enough now: it is to go on.
    func read(_ reader: CheckedContinuation<Outcome, Never>) -> Bool {
        let (outcome, mustResume) = state.withLock { state -> (Outcome?, Bool) in
            guard let outcome = state.take() else {
                state.reader = reader
                return (nil, false)
            }
            guard state.isPaused, state.bytes <= Self.capacity / 2 else { return (outcome, false) }
            state.isPaused = false
            return (outcome, true)
        }
        if let outcome { reader.resume(returning: outcome) }
        return mustResume
    }
}
