import CofferCore
import CofferHTTP
import CofferVaultConformance
import Synchronization

/// What was sent, in order.
final class Recorder: Sendable {
    private let sent = Mutex<[HTTPRequest]>([])
    var requests: [HTTPRequest] { sent.withLock { $0 } }
    func add(_ request: HTTPRequest) { sent.withLock { $0.append(request) } }
}

struct RecordingTransport: HTTPTransport {
    let inner: any HTTPTransport
    let recorder: Recorder

    func send(_ request: HTTPRequest, deadline: BootInstant) async throws(HTTPError) -> HTTPResponse {
        recorder.add(request)
        return try await inner.send(request, deadline: deadline)
    }
}

/// The kernel's time for deadlines, and a wall clock that goes on when it is told.
final class SettableClock: Clock {
    let manual = ManualClock(wall: SystemClock().wall)
    var boot: BootInstant { SystemClock().boot }
    var wall: WallMilliseconds { manual.wall }
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }
}
