internal import CofferCore
internal import Synchronization

/// When each key may be written next: Workers KV allows one write a second of a key. Writers are given turns in the order
/// in which they ask for one.
final class CloudflareWritePacing: Sendable {
    /// From one turn to the next, and from the end of a write to a turn that is given after it: then a second lies between
    /// them at Cloudflare, too.
    static let interval = Duration.milliseconds(1_050)
    /// A turn that is further away is not given: whoever waits for one keeps one of the vault's places from others.
    static let longestWait = Duration.seconds(2)
    /// Keys that are remembered; the times of all are over within seconds.
    private static let maximumCount = 16_384

    private let next = Mutex<[ByteText: BootInstant]>([:])

    enum Turn: Equatable {
        case at(BootInstant)
        /// And when the next one is that may be given.
        case tooFar(BootInstant)
    }

    /// The next turn to write the key, which is the caller's then.
    ///
    /// - Parameter latest: a turn that begins later is of no use.
    func reserve(_ key: ByteText, now: BootInstant, latest: BootInstant) -> Turn {
        next.withLock { next in
            let turn = max(now, next[key] ?? now)
            guard turn < latest, turn <= now + Self.longestWait else { return .tooFar(turn) }
            Self.set(key, turn + Self.interval, now, &next)
            return .at(turn)
        }
    }

    /// A write has ended, one way or the other.
    func end(_ key: ByteText, now: BootInstant) {
        next.withLock { next in
            Self.set(key, max(next[key] ?? now, now + Self.interval), now, &next)
        }
    }

    private static func set(
        _ key: ByteText, _ turn: BootInstant, _ now: BootInstant, _ next: inout [ByteText: BootInstant]
    ) {
        if next.count >= maximumCount { next = next.filter { now < $0.value } }
        if next.count < maximumCount || next[key] != nil { next[key] = turn }
    }
}
