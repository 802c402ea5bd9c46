internal import CPostgres
internal import CofferCore
internal import Glibc

/// A connection of libpq's, for one thread at a time. All that is unsafe about libpq is in this file.
///
/// Nothing here waits but `wait`, and `advance` while a host's name is looked up.
@safe final class PostgresLink {
    private let handle: OpaquePointer

    /// The oldest libpq that has all options which are set: TLS versions and channel binding came with 13.
    static let oldestLibrary = 130_000

    /// Whether libpq is there and not too old; loads it at the first call in a process.
    static var isLibraryThere: Bool { coffer_pq_version() >= oldestLibrary }

    /// Whether libpq could read a file.
    static func canRead(_ path: String) -> Bool { unsafe access(path, R_OK) == 0 }

    /// Blocks the thread.
    static func pause(milliseconds: UInt32) { usleep(milliseconds * 1_000) }

    /// Begins to connect.
    ///
    /// - Parameter options: as ``PostgresOptions`` writes them. libpq copies them.
    /// - Returns: nil if there is no memory.
    init?(_ options: Secret) {
        let handle = unsafe options.withUnsafeBytes { bytes in
            unsafe bytes.baseAddress.flatMap { unsafe coffer_pq_start($0) }
        }
        guard let handle = unsafe handle else { return nil }
        unsafe self.handle = handle
    }

    deinit { unsafe coffer_pq_finish(handle) }

    // MARK: Connecting

    enum Progress { case failed, waitsForInput, waitsForRoom, connected }

    /// Goes on with connecting.
    func advance() -> Progress {
        switch unsafe coffer_pq_poll(handle) {
        case 1: .waitsForInput
        case 2: .waitsForRoom
        case 3: unsafe coffer_pq_set_nonblocking(handle) == 0 ? .connected : .failed
        default: .failed
        }
    }

    enum Event { case timeout, ready, woken, broken }

    /// Waits for the socket.
    ///
    /// - Parameters:
    ///   - wake: ends the wait early; nil = nothing does.
    ///   - milliseconds: nil = without end.
    func wait(forRoom: Bool, wake: PostgresWake?, milliseconds: Int32?) -> Event {
        switch unsafe coffer_pq_wait(handle, forRoom ? 1 : 0, wake?.descriptor ?? -1, milliseconds ?? -1) {
        case 0: .timeout
        case 1: .ready
        case 2: .woken
        default: .broken
        }
    }

    /// Why connecting failed, in libpq's words, which may name a host or a file; of a refusal by the server its SQLSTATE
    /// alone.
    var message: String { unsafe String(cString: coffer_pq_message(handle)) }
    var needsPassword: Bool { unsafe coffer_pq_needs_password(handle) != 0 }
    /// The server's process, by the word of whoever answered: a pooler makes one up.
    var process: Int32 { unsafe coffer_pq_process(handle) }

    /// Whether the server has not closed it; for one that waits for no answer.
    var isOpen: Bool { unsafe coffer_pq_is_open(handle) != 0 }

    // MARK: Statements

    /// Each of these begins a statement.
    ///
    /// - Returns: false if the connection is broken.
    func prepare(_ name: String, _ sql: String) -> Bool { unsafe coffer_pq_prepare(handle, name, sql) != 0 }

    func send(_ name: String, _ parameters: PostgresParameters) -> Bool {
        unsafe coffer_pq_send(
            handle, name, parameters.bytes, parameters.lengths, Int32(parameters.lengths.count)) != 0
    }

    /// Statements without parameters, separated by semicolons; values of their rows come as text.
    func send(script: String) -> Bool { unsafe coffer_pq_send_script(handle, script) != 0 }

    enum Sending { case done, waitsForRoom, broken }

    /// Sends what is queued, as far as there is room.
    func flush() -> Sending {
        switch unsafe coffer_pq_flush(handle) {
        case 0: .done
        case 1: .waitsForRoom
        default: .broken
        }
    }

    /// Reads what has come; false if the connection is broken.
    func consume() -> Bool { unsafe coffer_pq_consume(handle) != 0 }

    /// `next` would wait.
    var isBusy: Bool { unsafe coffer_pq_is_busy(handle) != 0 }

    /// The next answer to the statement; nil = it is over.
    func next() -> PostgresRows? { unsafe coffer_pq_next(handle).map { unsafe PostgresRows($0) } }

    /// What ends the statement under way.
    func cancellation() -> PostgresCancellation? {
        unsafe coffer_pq_get_cancel(handle).map { unsafe PostgresCancellation($0) }
    }

    // MARK: Notifications

    /// The longest payload that there is: PostgreSQL refuses 8,000 bytes.
    private static let maximumPayload = 8_000

    /// The payload of the next notification that was read; nil = there is none.
    func notification() -> [UInt8]? {
        var length: Int32 = -1
        let payload = unsafe [UInt8](unsafeUninitializedCapacity: Self.maximumPayload) { buffer, count in
            guard let start = buffer.baseAddress else { return }
            length = unsafe coffer_pq_notification(handle, start, Int32(Self.maximumPayload))
            count = max(0, min(Int(length), Self.maximumPayload))
        }
        return length < 0 ? nil : payload
    }
}

/// What a statement answered.
@safe final class PostgresRows {
    private let handle: OpaquePointer

    fileprivate init(_ handle: OpaquePointer) { unsafe self.handle = handle }

    deinit { unsafe coffer_pq_clear(handle) }

    enum Outcome: Equatable {
        case success
        /// The SQLSTATE, "" if there is none.
        case failure(String)
        case garbled
    }

    var outcome: Outcome {
        switch unsafe coffer_pq_succeeded(handle) {
        case 1: return .success
        case 0:
            var state = [CChar](repeating: 0, count: 6)
            unsafe coffer_pq_state(handle, &state)
            return .failure(String(decoding: state.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        default: return .garbled
        }
    }

    var count: Int { Int(unsafe coffer_pq_row_count(handle)) }
    private var columns: Int { Int(unsafe coffer_pq_column_count(handle)) }

    /// The bytes of a value; nil for NULL, and where there is no such row or column.
    func bytes(_ row: Int, _ column: Int) -> [UInt8]? {
        guard row >= 0, row < count, column >= 0, column < columns else { return nil }
        var length: Int32 = 0
        guard let start = unsafe coffer_pq_value(handle, Int32(row), Int32(column), &length) else { return nil }
        return unsafe [UInt8](UnsafeBufferPointer(start: start, count: Int(length)))
    }
}

/// Ends the statement of a connection from outside: a copy of its address and key.
@safe final class PostgresCancellation: @unchecked Sendable {
    // Handed from the thread that makes it to the one that sends it, or not sent; no two touch `handle` at a time.
    private let handle: OpaquePointer

    fileprivate init(_ handle: OpaquePointer) { unsafe self.handle = handle }

    /// Without asking the server, where no thread could be started for that: the lane's thread may not block.
    deinit { unsafe coffer_pq_free_cancel(handle) }

    /// Asks the server; blocks for as long as the system takes to connect.
    func send() { unsafe coffer_pq_cancel(handle) }
}

/// Ends a wait of another thread.
final class PostgresWake: Sendable {
    fileprivate let descriptor: Int32

    /// - Throws: RESOURCE_EXHAUSTED if the system gives no descriptor.
    init() throws(Failure) {
        descriptor = coffer_pq_open_wake()
        guard descriptor >= 0 else {
            throw Failure(
                .resourceExhausted, .limit, "the system gives no more file descriptors; raise the limit (ulimit -n)")
        }
    }

    deinit { coffer_pq_close_wake(descriptor) }

    /// Blocks until `signal`, or until the time is over.
    func wait(milliseconds: Int32) { _ = coffer_pq_wait_wake(descriptor, milliseconds) }

    /// From now on no wait with it lasts.
    func signal() { coffer_pq_wake(descriptor) }
}
