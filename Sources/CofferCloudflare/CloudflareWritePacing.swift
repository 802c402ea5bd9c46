internal import CofferCore
internal import Synchronization

/// When each key may be written next: Workers KV allows one write a second of a key.
final class CloudflareWritePacing: Sendable {
    /// From the end of one write to the begin of the next: then a second lies between them at Cloudflare, too.
    static let interval = Duration.milliseconds(1_050)
    /// Keys that are remembered; the times of all are over within seconds.
    private static let maximumCount = 16_384

    private let next = Mutex<[ByteText: BootInstant]>([:])

    /// Begins a write, unless it is too early for it.
    ///
    /// - Returns: when to try again; nil = it has begun.
    func begin(_ key: ByteText, now: BootInstant) -> BootInstant? {
        next.withLock { next in
            if let turn = next[key], now < turn { return turn }
            Self.set(key, now, &next)
            return nil
        }
    }

    /// A write that began has ended, one way or the other.
    func end(_ key: ByteText, now: BootInstant) { next.withLock { Self.set(key, now, &$0) } }

    private static func set(_ key: ByteText, _ now: BootInstant, _ next: inout [ByteText: BootInstant]) {
        if next.count >= maximumCount { next = next.filter { now < $0.value } }
        if next.count < maximumCount { next[key] = now + interval }
    }
}
