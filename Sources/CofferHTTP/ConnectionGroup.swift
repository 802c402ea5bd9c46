internal import CCurl
internal import CLinux
internal import CofferCore
internal import Glibc
internal import Synchronization

/// The connections of one client, and what runs on them: a multi handle of
/// libcurl's, so that no other client's request ever goes over them.
final class ConnectionGroup: @unchecked Sendable {
    // Everything but the constants belongs to whoever holds the loop's `work`.
    let id: UInt32
    private let endpoint: HTTPEndpoint
    private let watched: SocketWatch
    private let sockets = ConnectionSockets()
    private let clock: any Clock

    private var multi: UnsafeMutableRawPointer?
    private var sessions: UnsafeMutableRawPointer?
    /// For the next transfer: made while nobody waits for it.
    private var spare: UnsafeMutableRawPointer?
    /// Of the TLS files that it was made with.
    private var spareNumber: UInt64?
    private var active: [ObjectIdentifier: Transfer] = [:]
    /// When libcurl wants to be called even if nothing happens.
    private var timer: BootInstant?
    /// Not later than the first deadline of `active`.
    private var firstDeadline: BootInstant?
    /// The last transfer came to its end: its connection waits for another.
    private var isConnected = false

    init(id: UInt32, endpoint: HTTPEndpoint, watched: SocketWatch, clock: any Clock) {
        self.id = id
        self.endpoint = endpoint
        self.watched = watched
        self.clock = clock
    }

    /// Whether a kept connection has nothing to do.
    var isReady: Bool { isConnected && active.isEmpty }

    /// When ``run(at:)`` is due; nil = not before something happens.
    var due: BootInstant? {
        guard let timer, let firstDeadline else { return timer ?? firstDeadline }
        return min(timer, firstDeadline)
    }

    func start(_ transfer: Transfer) {
        guard !transfer.isCancelled.load(ordering: .acquiring) else { return transfer.fail(.cancelled) }
        guard clock.boot < transfer.deadline else { return transfer.fail(.deadline) }
        guard let (multi, sessions) = opened(),
            let easy = takeSpare() ?? TransferOptions.handle(for: endpoint, sessions: sessions, sockets: sockets)
        else { return transfer.fail(.refused) }
        transfer.easy = easy
        active[ObjectIdentifier(transfer)] = transfer
        guard TransferOptions.assign(easy, to: transfer), coffer_curl_multi_add_handle(multi, easy) == CURLM_OK else {
            remove(transfer)
            return transfer.fail(.refused)
        }
        firstDeadline = min(firstDeadline ?? transfer.deadline, transfer.deadline)
    }

    /// Of some answer there is a part.
    var isAnswering: Bool { active.values.contains(where: \.isAnswering) }

    /// Ends it now; its connection is closed, and reset if the request may still be on its way.
    func cancel(_ transfer: Transfer, _ cause: HTTPError.Cause = .cancelled) {
        guard active[ObjectIdentifier(transfer)] != nil else { return }
        isConnected = false
        remove(transfer)
        transfer.fail(cause)
    }

    /// Goes on with an answer that had to wait for its reader.
    func resume(_ transfer: Transfer) {
        guard active[ObjectIdentifier(transfer)] != nil, let easy = transfer.easy else { return }
        noteProgress(of: transfer)
        // Brings what libcurl holds back, and has it run its timer for the rest.
        coffer_curl_easy_pause(easy, coffer_pause_nothing)
        collect()
    }

    /// Something happened on a socket.
    func handle(fd: Int32, events: UInt32) {
        guard let multi, watched.takes(fd, events, token: token(of: fd)) else { return }
        var flags: Int32 = 0
        if events & EPOLLIN.rawValue != 0 { flags |= CURL_CSELECT_IN }
        if events & EPOLLOUT.rawValue != 0 { flags |= CURL_CSELECT_OUT }
        if events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { flags |= CURL_CSELECT_ERR }
        var running: Int32 = 0
        coffer_curl_multi_socket_action(multi, fd, flags, &running)
        collect()
        // Here, where nobody waits: `run` may be on the thread that begins a request.
        if let sessions, spare == nil {
            spareNumber = endpoint.files?.current.number
            spare = TransferOptions.handle(for: endpoint, sessions: sessions, sockets: sockets)
        }
    }

    /// Nil if there is none, or the TLS files have changed since it was made.
    private func takeSpare() -> UnsafeMutableRawPointer? {
        guard let easy = spare.take() else { return nil }
        if spareNumber == endpoint.files?.current.number { return easy }
        coffer_curl_easy_cleanup(easy)
        return nil
    }

    /// Does what is due.
    func run(at now: BootInstant) {
        if let multi, let timer, timer <= now {
            self.timer = nil
            var running: Int32 = 0
            coffer_curl_multi_socket_action(multi, coffer_socket_timeout, 0, &running)
            collect()
        }
        guard let firstDeadline, firstDeadline <= now else { return }
        for transfer in active.values where transfer.deadline <= now { cancel(transfer, transfer.lateness) }
        self.firstDeadline = active.values.lazy.map(\.deadline).min()
    }

    /// Ends every transfer and closes every connection.
    func close() {
        for transfer in active.values { cancel(transfer, .closed) }
        if let spare = spare.take() { coffer_curl_easy_cleanup(spare) }
        if let multi { coffer_curl_multi_cleanup(multi) }
        if let sessions { coffer_curl_share_cleanup(sessions) }
        (multi, sessions, timer, firstDeadline) = (nil, nil, nil, nil)
    }

    private func collect() {
        guard let multi else { return }
        // Each piece of a streamed answer restarts the time.
        for transfer in active.values where transfer.hasProgressed { noteProgress(of: transfer) }
        var code = CURLE_OK
        while let easy = coffer_multi_ended(multi, &code) {
            guard let context = coffer_easy_context(easy) else { continue }
            let transfer = Transfer.from(context)
            let status = coffer_easy_status(easy)
            isConnected = code == CURLE_OK
            // Held by this frame: the handle borrows from it until it is gone. The caller
            // need not wait for that.
            withExtendedLifetime(transfer) {
                transfer.end(code, status: status)
                remove(transfer)
            }
        }
    }

    private func noteProgress(of transfer: Transfer) {
        transfer.noteProgress(at: clock.boot)
        firstDeadline = min(firstDeadline ?? transfer.deadline, transfer.deadline)
    }

    private func remove(_ transfer: Transfer) {
        guard let easy = transfer.easy, let multi else { return }
        // Closes a connection that has not come to the end of its answer.
        coffer_curl_multi_remove_handle(multi, easy)
        transfer.easy = nil
        coffer_curl_easy_cleanup(easy)
        sockets.release(transfer)
        active[ObjectIdentifier(transfer)] = nil
    }
}

// MARK: - libcurl's wishes

extension ConnectionGroup {
    private func opened() -> (multi: UnsafeMutableRawPointer, sessions: UnsafeMutableRawPointer)? {
        if let multi, let sessions { return (multi, sessions) }
        guard let newMulti = coffer_curl_multi_init(), let newSessions = coffer_curl_share_init() else { return nil }
        let isSet = coffer_multi_set_callbacks(
            newMulti, Unmanaged.passUnretained(self).toOpaque(),
            { easy, fd, what, context, _ in
                ConnectionGroup.from(context).watch(fd, what, for: easy)
                return 0
            },
            { _, milliseconds, context in
                ConnectionGroup.from(context).setTimer(milliseconds)
                return 0
            })
        guard isSet, coffer_share_sessions(newSessions) == CURLSHE_OK,
            coffer_multi_set(newMulti, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING)) == CURLM_OK,
            coffer_multi_set(newMulti, CURLMOPT_MAX_TOTAL_CONNECTIONS, endpoint.maximumConnections) == CURLM_OK,
            coffer_multi_set(newMulti, CURLMOPT_MAXCONNECTS, endpoint.maximumConnections) == CURLM_OK
        else { return nil }
        (multi, sessions) = (newMulti, newSessions)
        return (newMulti, newSessions)
    }

    private func watch(_ fd: Int32, _ what: Int32, for easy: UnsafeMutableRawPointer) {
        if what == CURL_POLL_REMOVE { return watched.leave(fd) }
        // Handles of libcurl's own have no context.
        if let context = coffer_easy_context(easy) { sockets.note(fd, isOf: Transfer.from(context)) }
        var events: UInt32 = 0
        if what & CURL_POLL_IN != 0 { events |= EPOLLIN.rawValue }
        if what & CURL_POLL_OUT != 0 { events |= EPOLLOUT.rawValue }
        watched.want(fd, events, token: token(of: fd))
    }

    private func token(of fd: Int32) -> UInt64 { UInt64(id) << 32 | UInt64(UInt32(bitPattern: fd)) }

    private func setTimer(_ milliseconds: Int) {
        timer = milliseconds < 0 ? nil : clock.boot + .milliseconds(milliseconds)
    }

    private static func from(_ context: UnsafeMutableRawPointer) -> ConnectionGroup {
        Unmanaged<ConnectionGroup>.fromOpaque(context).takeUnretainedValue()
    }
}
