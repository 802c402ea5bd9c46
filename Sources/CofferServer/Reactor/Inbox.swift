import CLinux
import CofferAccess
import CofferCore
import CofferVault
import CofferWire
import Glibc
import Synchronization

/// What reaches a reactor from other threads.
enum ReactorMessage: Sendable {
    /// A new connection to look after.
    case adopt(fd: Int32, peer: Peer, Identity)
    /// The call with this serial has its answer.
    case reply(call: UInt64, Reply)
    /// A task waits until it may make the next piece of an answer.
    case stream(StreamWaiter)
    /// It has made it.
    case piece(StreamPiece)
    /// A piece of a task of this reactor's.
    case job(UnownedJob)
    /// What is to be done on this thread without one.
    case work(any WorkItem)
    /// What a service has to do at that time.
    case later(BootInstant, any WorkItem)
    /// These limits hold from now on.
    case limits(ServerLimits)
    /// Finish what is in flight, then stop.
    case drain
    /// After `drain`: the thread ends.
    case stop
}

/// The answer to a call.
enum Reply: Sendable {
    /// An encoded response.
    case message(Secret)
    /// The kept part of a GetResponse, and what completes it.
    case record(Secret, GetResponseTail)
    case failure(Failure)
}

/// Messages for one reactor, and an eventfd that wakes it.
///
/// It is also the executor of the reactor's tasks: what Swift concurrency does
/// for a call, between waits, it does on the thread of the call's connection. So
/// secrets pass through few threads, and an answer needs no further wake-up.
final class Inbox: TaskExecutor, WorkQueue, @unchecked Sendable {
    // What is marked as the owner's, its thread alone touches; the rest is safe from
    // any thread.

    /// More messages than this are let go of, with the memory for them.
    private static let keptCapacity = 4_096

    let eventfd: Int32
    private let messages = Mutex<[ReactorMessage]>([])
    /// The reactor's thread; 0 = it does not run yet.
    private let owner = Atomic<UInt>(0)
    /// The owner's: messages of other threads that it has not acted on yet, last first.
    @exclusivity(unchecked) private var heard: [ReactorMessage] = []
    /// The owner's: there may be more than it has heard, and no wake-up for them.
    @exclusivity(unchecked) private var mustListen = false
    /// The owner's: messages to itself, which need neither lock nor wake-up.
    @exclusivity(unchecked) private var own = TurnQueue<ReactorMessage>()
    /// The owner's: answers among them.
    @exclusivity(unchecked) private var answers = TurnQueue<ReactorMessage>()

    init() throws(Failure) {
        eventfd = coffer_eventfd()
        guard eventfd >= 0 else { throw .internalError("eventfd failed with errno \(errno)") }
    }

    deinit { close(eventfd) }

    /// The calling thread is the reactor's from now on.
    func claim() { owner.store(UInt(pthread_self()), ordering: .relaxed) }

    private var isOwner: Bool { owner.load(ordering: .relaxed) == UInt(pthread_self()) }

    func post(_ message: ReactorMessage) {
        if isOwner { return keep(message) }
        let wake = messages.withLock { messages in
            defer { messages.append(message) }
            return messages.isEmpty
        }
        if wake { signal() }
    }

    /// One wake-up for all of them.
    func post(_ batch: [ReactorMessage]) {
        guard !batch.isEmpty else { return }
        if isOwner {
            for message in batch { keep(message) }
            return
        }
        let wake = messages.withLock {
            let wasEmpty = $0.isEmpty
            $0.append(contentsOf: batch)
            return wasEmpty
        }
        if wake { signal() }
    }

    func post(_ work: [any WorkItem]) { post(work.map { .work($0) }) }

    private func keep(_ message: ReactorMessage) {
        switch message {
        case .reply, .piece: answers.append(message)
        default: own.append(message)
        }
    }

    func enqueue(_ job: consuming ExecutorJob) { post(.job(UnownedJob(job))) }

    /// For the owner: acts on what has come from other threads. The wake-up is taken back
    /// first, so that none that comes later is missed.
    ///
    /// - Parameter slice: what is left when it is over waits for the next time.
    func takeAll(within slice: Slice? = nil, _ act: (ReactorMessage) -> Void) {
        var value: UInt64 = 0
        _ = read(eventfd, &value, 8)
        mustListen = !heard.isEmpty
        if heard.isEmpty {
            messages.withLock { swap(&$0, &heard) }
            heard.reverse()
        }
        while let message = heard.popLast() {
            act(message)
            if let slice, slice.isOver { break }
        }
        if heard.isEmpty && heard.capacity > Self.keptCapacity { heard = [] }
    }

    /// For the owner: `takeAll` has left something.
    var hasHeard: Bool { mustListen || !heard.isEmpty }

    /// For the owner: whether there is something to act on without any event.
    var hasOwn: Bool { !(own.isEmpty && answers.isEmpty) || hasHeard }

    /// For the owner: acts on what it has left itself before now, but for answers; as `takeAll`.
    func takeOwn(within slice: Slice? = nil, _ act: (ReactorMessage) -> Void) {
        take(own.beginTurn(), within: slice, act) { own.popFirst() }
    }

    /// For the owner: acts on its own answers; as `takeOwn`.
    func takeAnswers(within slice: Slice? = nil, _ act: (ReactorMessage) -> Void) {
        take(answers.beginTurn(), within: slice, act) { answers.popFirst() }
    }

    @inline(__always)
    private func take(
        _ count: Int, within slice: Slice?, _ act: (ReactorMessage) -> Void, next: () -> ReactorMessage?
    ) {
        var left = count
        while left > 0, let message = next() {
            act(message)
            left -= 1
            if let slice, slice.isOver { return }
        }
    }

    /// Lets everybody else of this thread have a turn.
    func yield() async {
        await withCheckedContinuation { post(.work(Resumption($0))) }
    }

    private func signal() {
        var one: UInt64 = 1
        _ = write(eventfd, &one, 8)
    }
}

/// A task that waits for its turn.
private final class Resumption: WorkItem {
    private let continuation: CheckedContinuation<Void, Never>

    init(_ continuation: CheckedContinuation<Void, Never>) { self.continuation = continuation }

    func run() { continuation.resume() }
}
