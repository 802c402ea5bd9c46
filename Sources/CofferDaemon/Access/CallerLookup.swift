import CofferAccess
import CofferProcess
import CofferServer
import Dispatch
import Synchronization

/// Finds out who callers are, on threads of its own: `/proc` and the host's database of users can hold one up. They are
/// started when a policy first asks for more than users and groups.
///
/// A caller that cannot be looked up holds up neither those of other uids nor, for longer than its reactor waits, its own
/// connection.
final class CallerLookup: CallerIdentifier {
    /// Look-ups at once, of all uids and of one.
    static let maximumThreads = 8
    static let maximumThreadsOfUID = 2

    fileprivate struct Waiting {
        var questions: ArraySlice<CallerQuestion> = []
        /// Look-ups under way.
        var running = 0
    }

    fileprivate struct State {
        var byUID: [UInt32: Waiting] = [:]
        /// Uids with questions, in the order of their turns.
        var turns: [UInt32] = []
        var threads = 0
        var running = 0
    }

    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let lookUp: @Sendable (CallerQuestion) -> Caller

    /// - Parameter lookUp: what is found out; passed in by tests.
    init(lookUp: @escaping @Sendable (CallerQuestion) -> Caller = CallerLookup.found) { self.lookUp = lookUp }

    /// How many questions wait is bounded by the limits on connections: each has one at most, and those of connections that are
    /// gone, with the sockets that they hold, go with the uid's next one.
    func identify(_ question: CallerQuestion) {
        let mustStart = state.withLock { state in
            let uid = question.peer.uid
            state.byUID[uid, default: Waiting()].questions.removeAll { !$0.isWanted }
            state.byUID[uid, default: Waiting()].questions.append(question)
            if !state.turns.contains(uid) { state.turns.append(uid) }
            return state.addThread()
        }
        if mustStart { startThread() }
        wake.signal()
    }

    private func startThread() {
        do throws(StartupError) {
            try DaemonThread.start("coffer-identify") { self.run() }
        } catch {
            // Those that there are go on; without any the reactor's time ends the wait.
            state.withLock { $0.threads -= 1 }
        }
    }

    private func run() {
        while true {
            while let question = next() {
                // This one may be held up from now on.
                if state.withLock({ $0.addThread() }) { startThread() }
                let caller = lookUp(question)
                noteEnd(of: question)
                question.end(caller)
            }
            wake.wait()
        }
    }

    /// The next question whose uid has not as many under way as it may.
    private func next() -> CallerQuestion? {
        state.withLock { state in
            var index = 0
            while index < state.turns.count {
                let uid = state.turns[index]
                var waiting = state.byUID[uid, default: Waiting()]
                while let first = waiting.questions.first, !first.isWanted { waiting.questions.removeFirst() }
                guard waiting.running < Self.maximumThreadsOfUID, let question = waiting.questions.popFirst() else {
                    state.keep(waiting, of: uid, at: &index)
                    continue
                }
                waiting.running += 1
                state.running += 1
                state.byUID[uid] = waiting
                state.turns.remove(at: index)
                if !waiting.questions.isEmpty { state.turns.append(uid) }
                return question
            }
            return nil
        }
    }

    private func noteEnd(of question: CallerQuestion) {
        let uid = question.peer.uid
        state.withLock { state in
            state.running -= 1
            guard var waiting = state.byUID[uid] else { return }
            waiting.running -= 1
            state.byUID[uid] = waiting.running == 0 && waiting.questions.isEmpty ? nil : waiting
        }
    }

    // MARK: What is looked up

    /// - Returns: the caller of the question, with what was found of it.
    @Sendable static func found(_ question: CallerQuestion) -> Caller {
        var caller = question.caller
        if question.kinds.contains(.userName) { caller.userName = userName(caller.uid) }
        guard !question.kinds.isDisjoint(with: [.cgroup, .executable, .digest]), let process = question.socket.process else {
            return caller
        }
        let folder = ProcessFolder(question.peer.pid)
        let group = question.kinds.contains(.cgroup) ? folder.controlGroup : caller.cgroup
        let program =
            question.kinds.isDisjoint(with: [.executable, .digest])
            ? caller.executable : folder.executable(needsDigest: question.policy.needsDigest(ofPath:))
        // Else it may have been another's folder.
        guard process.isAlive else { return caller }
        caller.cgroup = group
        caller.unit = unit(of: group)
        caller.executable = program
        return caller
    }

    static func userName(_ uid: UInt32) -> Evidence<String> {
        do throws(StreamFailure) {
            guard let user = try UserDatabase.user(uid: uid) else { return .absent }
            return .proven(user.name)
        } catch {
            return .unproven
        }
    }

    private static func unit(of group: Evidence<String>) -> Evidence<String> {
        switch group {
        case .proven(let path): ControlGroup.unit(ofPath: path).map { .proven($0) } ?? .absent
        case .absent: .absent
        case .unproven: .unproven
        }
    }
}

extension CallerLookup.State {
    /// Counts another thread, if all are busy and there is a question for it.
    fileprivate mutating func addThread() -> Bool {
        guard running == threads, threads < CallerLookup.maximumThreads, turns.contains(where: mayBegin) else { return false }
        threads += 1
        return true
    }

    private func mayBegin(_ uid: UInt32) -> Bool { byUID[uid].map { $0.running < CallerLookup.maximumThreadsOfUID } ?? false }

    /// Takes a uid without questions off the turns; leaves one that waits for its own look-ups where it is.
    fileprivate mutating func keep(_ waiting: CallerLookup.Waiting, of uid: UInt32, at index: inout Int) {
        if waiting.questions.isEmpty {
            turns.remove(at: index)
            byUID[uid] = waiting.running == 0 ? nil : waiting
        } else {
            byUID[uid] = waiting
            index += 1
        }
    }
}
