internal import CofferCore
internal import CofferHTTP
internal import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// What others change below the prefix, by etcd's watch stream.
///
/// A stream that is lost resumes at the revision that it had come to, at another member if need be, so nothing is
/// missed. Until it does, everything may have changed: that is posted every half second.
final class EtcdWatch: Sendable {
    /// When a stream has said nothing for this long, its member is asked what the store has.
    static let silence = Duration.milliseconds(300)
    /// How long changes that the store has may take to come by a stream: etcd looks ten times a second for what is behind.
    private static let catchingUp = Duration.milliseconds(200)
    /// etcd ends a stream after this time, by request: see `EtcdWatchPosition.ended`.
    static let longestStream = Duration.seconds(60)
    /// Until the watch stands: enough for a latency of 2 s.
    private static let creation = Duration.seconds(3)
    /// How long the answer to a probe is waited for, unless the stream itself took half of that to begin.
    private static let probeTimeout = Duration.seconds(1)
    private static let loginTimeout = Duration.seconds(5)
    private static let shortestPause = Duration.milliseconds(50)
    private static let longestPause = Duration.seconds(1)

    private struct State {
        var task: Task<Void, Never>?
        var isClosed = false
        var own = EtcdOwnWrites()
        var position = EtcdWatchPosition()
        var trust = EtcdWatchTrust()
        var suspicion = EtcdWatchSuspicion()
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
            state.trust.lost(at: now)
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

    /// Posts that everything may have changed, for as long as nothing is heard.
    private func doubt() async {
        while true {
            let now = now
            let (isOver, due) = state.withLock { ($0.trust.isOver(at: now), $0.trust.due) }
            if isOver { feed.post(.everything) }
            // Trust that is lost meanwhile is due no sooner than that.
            let pause = due.map { min(.milliseconds(Int64($0.milliseconds(since: now)) + 1), EtcdWatchTrust.grace) }
            guard (try? await dependencies.sleep(pause ?? EtcdWatchTrust.grace)) != nil else { return }
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
                if case .historyGone = end {
                    state.position.forget()
                    state.own.forgetRevisions()
                }
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
        let begun = now
        do throws(HTTPError) {
            stream = try await transport.stream(
                request(token), idle: Self.longestStream + Self.creation, deadline: begun + Self.creation)
        } catch {
            client.wire.noteFailure(member)
            return .refused(.unavailable)
        }
        guard stream.status == 200 else { return await refusal(stream, member) }
        let opening = Duration.milliseconds(Int64(now.milliseconds(since: begun)))
        state.withLock { $0.heardAt = now }
        return await withTaskGroup(of: End.self) { group in
            group.addTask { await self.read(stream) }
            group.addTask { await self.watchOver(member, probeTimeout: max(Self.probeTimeout, opening * 2)) }
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
        request.headers.append(HTTPHeader("Grpc-Timeout", "\(Self.longestStream.components.seconds)S"))
        return request
    }

    /// Of an answer that is no stream.
    private func refusal(_ stream: HTTPStream, _ member: Int) async -> End {
        let body = await withTaskGroup(of: Secret?.self) { group in
            group.addTask { (try? await stream.next()) ?? nil }
            // It may not come, and not end either.
            group.addTask {
                try? await self.dependencies.sleep(Self.creation)
                return nil
            }
            let first = await group.next() ?? nil
            stream.cancel()
            group.cancelAll()
            return first
        }
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
                if let end = handle(EtcdWatchMessage(line)) { return end }
            }
        }
        return .lost
    }

    /// - Returns: how the stream ends by it; nil = it goes on.
    private func handle(_ message: EtcdWatchMessage) -> End? {
        switch message {
        case .created(let revision):
            let isMissing = state.withLock { state in
                state.isCreated = true
                return state.position.created(revision: revision, at: now)
            }
            if isMissing { feed.post(.everything) }
        case .changes(let changes, let isWhole):
            for change in changes { post(change) }
            if let last = changes.last {
                state.withLock { $0.position.changed(revision: last.revision, isWhole: isWhole) }
            }
        case .progress(let revision): state.withLock { $0.position.progressed(to: revision) }
        case .compacted: return .historyGone
        case .refused(let fault):
            if fault == .timeout { state.withLock { $0.position.ended(at: now) } }
            return .refused(fault)
        case .garbled: return .refused(.foreign(status: 200))
        }
        return nil
    }

    private func post(_ change: EtcdWatchMessage.Change) {
        guard let key = names.key(of: change.name) else { return }
        let name = String(decoding: change.name, as: UTF8.self)
        if state.withLock({ $0.own.isForeign(name, revision: change.revision) }) { feed.post(.record(key)) }
    }

    // MARK: Silence

    /// Returns when the stream says nothing because it or its member no longer works, or because the store is another one.
    ///
    /// What is cached is trusted while changes are heard, or a probe proves that there are none.
    private func watchOver(_ member: Int, probeTimeout: Duration) async -> End {
        let begun = now
        while !state.withLock({ $0.isCreated }) {
            guard now < begun + Self.creation, (try? await dependencies.sleep(.milliseconds(10))) != nil else {
                return lost(member)
            }
        }
        var isFirst = true
        while true {
            if !isFirst { guard await waitForSilence() else { return .lost } }
            let asked = now
            let newest = state.withLock { state in
                state.trust.lost(at: asked)
                return state.position.newest
            }
            guard let proof = await probe(member, timeout: probeTimeout) else { return lost(member) }
            if case .store(let revision, let cluster) = proof {
                let comparison = state.withLock {
                    $0.position.compare(revision: revision, cluster: cluster, before: newest)
                }
                switch comparison {
                case .otherHistory: return .historyGone
                case .current: state.withLock { $0.trust.resumed() }
                case .ahead: if let end = await wait(for: revision, since: asked, isFirst) { return end }
                }
            }
            isFirst = false
        }
    }

    private func lost(_ member: Int) -> End {
        if !Task.isCancelled { client.wire.noteFailure(member) }
        return .lost
    }

    /// - Returns: false if the task was cancelled.
    private func waitForSilence() async -> Bool {
        let begun = now
        while true {
            let end = max(begun, state.withLock { $0.heardAt }) + Self.silence
            let now = now
            guard now < end else { return true }
            let left = Duration.nanoseconds(Int64(clamping: end.nanoseconds - now.nanoseconds))
            guard (try? await dependencies.sleep(left)) != nil else { return false }
        }
    }

    /// Gives the stream time to bring the changes that the store has.
    ///
    /// - Returns: how the stream ends; nil = it goes on.
    private func wait(for revision: Int64, since asked: BootInstant, _ isFirst: Bool) async -> End? {
        guard (try? await dependencies.sleep(Self.catchingUp)) != nil else { return .lost }
        return state.withLock { state in
            if state.position.hasHeard(revision) || state.heardAt > asked {
                if isFirst { state.suspicion.confirmed() }
            } else if !isFirst, state.suspicion.isDue(at: now) {
                return .lost
            } else {
                // A stream that has just begun would have brought them.
                state.position.believe(revision)
            }
            state.trust.resumed()
            return nil
        }
    }

    private enum Proof {
        case store(revision: Int64, cluster: String)
        /// The member answers, and shows nothing of the store to this token.
        case nothing
    }

    /// Asks the member for what it needs a leader for.
    ///
    /// - Returns: nil if it does not work.
    private func probe(_ member: Int, timeout: Duration) async -> Proof? {
        guard let token = try? await client.session.token(by: now + Self.loginTimeout) else { return Proof.nothing }
        let call = EtcdCall("kv/range", [("key", .base64(names.checkName))], for: .read)
        let sent = try? await client.wire.members[member].transport.send(
            call.request(token: token.secret), deadline: now + timeout)
        guard let answer = sent.map({ EtcdAnswer($0) }), answer.fault?.isOfMember != true else { return nil }
        if answer.fault == .badToken || answer.fault == .noToken {
            _ = try? await client.session.replacement(for: token.number, by: now + Self.loginTimeout)
        }
        guard answer.fault == nil, let revision = answer.revision, let cluster = answer.json?["header"]?["cluster_id"]?.text else {
            return .nothing
        }
        return .store(revision: revision, cluster: cluster)
    }
}
