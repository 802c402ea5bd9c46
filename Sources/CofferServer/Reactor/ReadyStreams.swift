import CofferCore

/// The tokens of connections that can give a turn at a stream out, in their order. Those of a uid
/// that has no room for one rest, and those of other uids go on.
struct ReadyStreams {
    /// For which a uid without room rests.
    static let pause = Duration.milliseconds(10)

    /// Those that rest for the same room.
    private struct Want: Hashable {
        let uid: UInt32
        /// Room for a turn in which a vault is asked, of which there is less.
        let asksVault: Bool
    }

    private var ready: [UInt64] = []
    private var resting: [Want: [UInt64]] = [:]
    /// When one of each that rest looks whether there is room now.
    private var wakeAt: BootInstant?

    @inline(__always) var isEmpty: Bool { ready.isEmpty && wakeAt == nil }

    /// When the next turn may be given out; nil = an event will tell.
    func nextTurn(after now: BootInstant) -> BootInstant? { ready.isEmpty ? wakeAt : now }

    mutating func append(_ token: UInt64) { ready.append(token) }

    mutating func popFirst() -> UInt64? { ready.isEmpty ? nil : ready.removeFirst() }

    /// There is no room for the connection: it rests, with the others of its uid that find none.
    mutating func rest(_ token: UInt64, uid: UInt32, asksVault: Bool = false, at now: BootInstant) {
        resting[Want(uid: uid, asksVault: asksVault), default: []].append(token)
        wakeAt = wakeAt ?? now + Self.pause
    }

    /// The uid has room again: all that rest for it are ready. Where there is room to ask a vault, there is room for
    /// other turns.
    mutating func noteRoom(uid: UInt32, asksVault: Bool = false) {
        guard !resting.isEmpty else { return }
        for kind in asksVault ? [false, true] : [false] {
            ready += resting.removeValue(forKey: Want(uid: uid, asksVault: kind)) ?? []
        }
        if resting.isEmpty { wakeAt = nil }
    }

    /// The connection wants another turn than the one that it may rest for.
    mutating func wake(_ token: UInt64, uid: UInt32) {
        let want = Want(uid: uid, asksVault: true)
        guard let place = resting[want]?.firstIndex(of: token) else { return }
        resting[want]!.remove(at: place)
        if resting[want]!.isEmpty { resting[want] = nil }
        if resting.isEmpty { wakeAt = nil }
        ready.append(token)
    }

    /// Lets one connection of each that rest look again, if it is time; those that have gone are forgotten.
    mutating func wake(at now: BootInstant, isThere: (_ token: UInt64) -> Bool = { _ in true }) {
        guard let due = wakeAt, due <= now else { return }
        for (want, tokens) in resting {
            let left = tokens.drop { !isThere($0) }
            if let first = left.first { ready.append(first) }
            resting[want] = left.count > 1 ? Array(left.dropFirst()) : nil
        }
        // The one that looks may be gone: the next one looks then.
        wakeAt = resting.isEmpty ? nil : now + Self.pause
    }
}
