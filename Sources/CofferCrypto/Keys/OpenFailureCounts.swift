internal import Synchronization

/// How many records did not open, by cause. The cause goes here and nowhere else.
package final class OpenFailureCounts: Sendable {
    private let counts = Mutex<[OpenFailure: UInt64]>([:])

    package subscript(failure: OpenFailure) -> UInt64 { counts.withLock { $0[failure, default: 0] } }

    func count(_ failure: OpenFailure) { counts.withLock { $0[failure, default: 0] += 1 } }
}
