internal import CofferCore
internal import Synchronization

/// Deletes that found a live record and failed after that, for the call that repeats them: it finds nothing any more, and the
/// record was there all the same.
final class AzureLostRemovals: Sendable {
    /// Longer than any call lasts.
    private static let memory = Duration.seconds(60)

    private let ends = Mutex<[String: BootInstant]>([:])

    /// - Parameter secret: its name.
    func note(_ secret: String, now: BootInstant) {
        ends.withLock { ends in
            ends = ends.filter { now < $0.value }
            ends[secret] = now + Self.memory
        }
    }

    /// Whether a Delete of it has failed just now. Once.
    func take(_ secret: String, now: BootInstant) -> Bool {
        ends.withLock { $0.removeValue(forKey: secret) }.map { now < $0 } ?? false
    }

    /// It was written, or removed for sure.
    func forget(_ secret: String) { ends.withLock { _ = $0.removeValue(forKey: secret) } }
}
