internal import CofferCore
internal import CofferHTTP
internal import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// What others change below the prefix, by etcd's watch stream.
///
/// A stream that is lost goes on from the revision that it had come to, at another member if need be, so nothing is
/// missed. Until it does, everything may have changed: that is said again and again.
final class EtcdWatch: Sendable {
    /// After this long without a word the member is asked whether it still works, and as long it may take to answer.
    static let silence = Duration.seconds(1)
    /// A stream without a word is made anew after this time: something on the way may have forgotten its connection.
    static let longestSilence = Duration.seconds(60)
    /// Until the watch stands.
    private static let creation = Duration.seconds(3)
    private static let loginTimeout = Duration.seconds(5)
    private static let shortestPause = Duration.milliseconds(50)
    private static let longestPause = Duration.seconds(1)

    private struct State {
        var task: Task<Void, Never>?
        var isClosed = false
        var own = EtcdOwnWrites()
        var position = EtcdWatchPosition()
        var trust = EtcdWatchTrust()
        var isCreated = false
        var heardAt = BootInstant(nanoseconds: 0)
    }

    /// How a stream ended.
    private enum End {
        /// It stood, and broke.
        case lost
        /// It never stood, or etcd ended it.
        case refused(EtcdFault)
        /// Changes were missed that cannot be had any more.
        case historyGone
    }

    let feed = ChangeFeed()
    private let client: EtcdClient
    private let names: EtcdNames
    private let state = Mutex(State())

    private var dependencies: EtcdDependencies { client.wire.dependencies }
    private var now: BootInstant { dependencies.clock.boot }

    init(client: EtcdClient, names: EtcdNames) {
        self.client = client
        self.names = names
    }

    /// Begins to listen, unless it has begun already.
    func start() {
        state.withLock { state in
            guard state.task == nil, !state.isClosed else { return }
            state.task = Task {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await self.listen() }
                    group.addTask { await self.doubt() }
                }
            }
        }
    }

    func close() async {
        let task = state.withLock { state in
            state.isClosed = true
            return state.task
        }
        task?.cancel()
        await task?.value
        feed.close()
    }

    // MARK: Writes of our own

    func beginWrite(_ name: String) { state.withLock { $0.own.begin(name) } }

    /// - Parameter revision: that the write made; nil = none, or nobody knows.
    func endWrite(_ name: String, _ key: RecordKey, revision: Int64?) {
        if state.withLock({ $0.own.end(name, revision: revision) }) { feed.post(.record(key)) }
    }

    // MARK: Streams

    /// Says that everything may have changed, for as long as nothing is heard.
    private func doubt() async {
        while (try? await dependencies.sleep(EtcdWatchTrust.grace)) != nil {
            if state.withLock({ $0.trust.isOver(at: now) }) { feed.post(.everything) }
        }
    }

    private func listen() async {
        var pause = Self.shortestPause
        while !Task.isCancelled {
            let token = try? await client.session.token(by: now + Self.loginTimeout)
            let end = if let token { await follow(client.wire.order[0], token) } else { End.refused(.loginRefused) }
            if Task.isCancelled { return }
            let wasCreated = state.withLock { state in
                state.position.lost()
                if case .historyGone = end { state.position.compacted() }
                state.trust.lost(at: now)
                defer { state.isCreated = false }
                return state.isCreated
            }
            if case .refused(let fault) = end, let token, fault == .badToken || fault == .noToken {
                _ = try? await client.session.replacement(for: token.number, by: now + Self.loginTimeout)
            }
            pause = wasCreated ? Self.shortestPause : min(pause * 2, Self.longestPause)
            try? await dependencies.sleep(pause * dependencies.jitter(from: 0.5))
        }
    }

    private func follow(_ member: Int, _ token: EtcdToken) async -> End {
        let transport = client.wire.members[member].transport
        let stream: HTTPStream
        do throws(HTTPError) {
            stream = try await transport.stream(
                request(token), idle: Self.longestSilence, deadline: now + Self.silence)
        } catch {
            client.wire.noteFailure(member)
            return .refused(.unavailable)
        }
        guard stream.status == 200 else { return await refusal(stream, member) }
        state.withLock { $0.heardAt = now }
        return await withTaskGroup(of: End.self) { group in
            group.addTask { await self.read(stream) }
            group.addTask { await self.watchOver(stream, member, token) }
            let end = await group.next() ?? .lost
            stream.cancel()
            group.cancelAll()
            return end
        }
    }

    private func request(_ token: EtcdToken) -> HTTPRequest {
        let folder = names.folder(of: nil)
        var create: [(name: String, value: JSON)] = [
            ("key", .base64(folder)), ("range_end", .base64(EtcdNames.end(of: folder))),
            ("progress_notify", .bool(true)), ("fragment", .bool(true)),
        ]
        if let next = state.withLock({ $0.position.next }) { create.append(("start_revision", .int64(next))) }
        let call = EtcdCall("watch", [("create_request", .object(create))], for: .read)
        var request = call.request(token: token.secret)
        // A member that loses its leader ends the stream then, and does not fall silent.
        request.headers.append(HTTPHeader("Grpc-Metadata-hasleader", "true"))
        return request
    }

    /// Of an answer that is no stream.
    private func refusal(_ stream: HTTPStream, _ member: Int) async -> End {
        let body = (try? await stream.next()) ?? nil
        let answer = EtcdAnswer(HTTPResponse(status: stream.status, headers: stream.headers, body: body ?? Secret("")))
        let fault = answer.fault ?? .foreign(status: stream.status)
        if fault.isOfMember { client.wire.noteFailure(member) }
        return .refused(fault)
    }

    private func read(_ stream: HTTPStream) async -> End {
        var lines = EtcdWatchLines()
        while let piece = (try? await stream.next()) ?? nil {
            guard let whole = lines.feed(piece) else { return .historyGone }
            state.withLock { $0.heardAt = now }
            for line in whole {
                if let end = take(EtcdWatchMessage(line)) { return end }
            }
        }
        return .lost
    }

    /// - Returns: how the stream ends by it; nil = it goes on.
    private func take(_ message: EtcdWatchMessage) -> End? {
        switch message {
        case .created(let revision):
            let isMissing = state.withLock { state in
                state.isCreated = true
                state.trust.resumed()
                return state.position.created(revision: revision, at: now)
            }
            if isMissing { feed.post(.everything) }
        case .changes(let changes, let isWhole):
            for change in changes { tell(change) }
            if let last = changes.last {
                state.withLock { $0.position.changed(revision: last.revision, isWhole: isWhole) }
            }
        case .progress(let revision): state.withLock { $0.position.progressed(to: revision) }
        case .compacted: return .historyGone
        case .refused(let fault): return .refused(fault)
        case .garbled: return .refused(.foreign(status: 200))
        }
        return nil
    }

    private func tell(_ change: EtcdWatchMessage.Change) {
        guard let key = names.key(of: change.name) else { return }
        let name = String(decoding: change.name, as: UTF8.self)
        if state.withLock({ $0.own.isForeign(name, revision: change.revision) }) { feed.post(.record(key)) }
    }

    // MARK: Silence

    /// Returns when the stream is silent because its member no longer works.
    private func watchOver(_ stream: HTTPStream, _ member: Int, _ token: EtcdToken) async -> End {
        let begun = now
        while (try? await dependencies.sleep(Self.silence)) != nil {
            let (heardAt, isCreated) = state.withLock { ($0.heardAt, $0.isCreated) }
            if !isCreated, begun + Self.creation <= now { break }
            guard heardAt + Self.silence <= now else { continue }
            guard await works(member, token) else { break }
            state.withLock { $0.position.proved(at: now) }
        }
        if !Task.isCancelled { client.wire.noteFailure(member) }
        return .lost
    }

    /// Whether the member answers a read, for which it needs a leader.
    private func works(_ member: Int, _ token: EtcdToken) async -> Bool {
        let call = EtcdCall("kv/range", [("key", .base64(names.checkName))], for: .read)
        let response = try? await client.wire.members[member].transport.send(
            call.request(token: token.secret), deadline: now + Self.silence)
        // A token that is no longer good says nothing about the stream.
        return response.map { EtcdAnswer($0).fault?.isOfMember != true } ?? false
    }
}
