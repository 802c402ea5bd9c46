import CLinux
import CofferAccess
import CofferCore
import CofferWire
import Glibc
import Synchronization

/// What reaches a reactor from other threads.
enum ReactorMessage: Sendable {
    /// A new connection to look after.
    case adopt(fd: Int32, peer: Peer)
    /// A call has an answer; `more` says that another one follows.
    case reply(connection: UInt64, callID: UInt64, Reply, more: Bool)
    /// Finish what is in flight, then stop.
    case drain
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
final class Inbox: Sendable {
    let eventfd: Int32
    private let messages = Mutex<[ReactorMessage]>([])

    init() throws(Failure) {
        eventfd = coffer_eventfd()
        guard eventfd >= 0 else { throw .internalError("eventfd failed with errno \(errno)") }
    }

    deinit { close(eventfd) }

    func post(_ message: ReactorMessage) {
        let wake = messages.withLock {
            $0.append(message)
            return $0.count == 1
        }
        if wake { signal() }
    }

    /// One wake-up for all of them.
    func post(_ batch: [ReactorMessage]) {
        guard !batch.isEmpty else { return }
        let wake = messages.withLock {
            let wasEmpty = $0.isEmpty
            $0.append(contentsOf: batch)
            return wasEmpty
        }
        if wake { signal() }
    }

    /// Everything that has come; the wake-up is taken back first, so that none
    /// that comes later is missed.
    func takeAll() -> [ReactorMessage] {
        var value: UInt64 = 0
        _ = read(eventfd, &value, 8)
        return messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }

    private func signal() {
        var one: UInt64 = 1
        _ = write(eventfd, &one, 8)
    }
}
