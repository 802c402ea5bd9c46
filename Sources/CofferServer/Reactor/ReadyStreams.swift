import CofferCore

/// The tokens of connections that can give a turn at a stream out, in their order. Those of a uid
/// that has no room for one rest, and those of other uids go on.
struct ReadyStreams {
    /// For which a uid without room rests.
    static let pause = Duration.milliseconds(10)

    private var ready: [UInt64] = []
    private var resting: [UInt32: [UInt64]] = [:]
    /// When one of each resting uid looks whether there is room now.
    private var wakeAt: BootInstant?

    @inline(__always) var isEmpty: Bool { ready.isEmpty && wakeAt == nil }

    /// When the next turn may be given out; nil = an event will tell.
    func nextTurn(after now: BootInstant) -> BootInstant? { ready.isEmpty ? wakeAt : now }

    mutating func append(_ token: UInt64) { ready.append(token) }

    mutating func popFirst() -> UInt64? { ready.isEmpty ? nil : ready.removeFirst() }

    /// There is no room for the connection: it rests, with the others of its uid that find none.
    mutating func rest(_ token: UInt64, uid: UInt32, at now: BootInstant) {
        resting[uid, default: []].append(token)
        wakeAt = wakeAt ?? now + Self.pause
    }

    /// The uid has room again: all that rest for it are ready.
    mutating func noteRoom(uid: UInt32) {
        guard let tokens = resting.removeValue(forKey: uid) else { return }
        ready += tokens
        if resting.isEmpty { wakeAt = nil }
    }

    /// Lets one connection of each resting uid look again, if it is time; those that have gone are forgotten.
    mutating func wake(at now: BootInstant, isThere: (_ token: UInt64) -> Bool = { _ in true }) {
        guard let due = wakeAt, due <= now else { return }
        for (uid, tokens) in resting {
            let left = tokens.drop { !isThere($0) }
            if let first = left.first { ready.append(first) }
            resting[uid] = left.count > 1 ? Array(left.dropFirst()) : nil
        }
        // The one that looks may be gone: the next one looks then.
        wakeAt = resting.isEmpty ? nil : now + Self.pause
    }
}
