internal import CofferCore

/// Which member of the cluster is asked first, and which ones are left alone for a while.
///
/// Every member is a candidate for every call. The one that served last is asked first, so that a call costs
/// one request while nothing changes. One that did not answer comes last until its pause is over, and each
/// failure after that doubles the pause.
struct EtcdEndpoints: Sendable {
    static let shortestPause = Duration.milliseconds(250)
    static let longestPause = Duration.seconds(30)

    private struct Member {
        var failures = 0
        /// It is asked after the others until then.
        var restsUntil = BootInstant(nanoseconds: 0)
    }

    private var members: [Member]
    private var first = 0

    /// - Parameter count: of the members, at least 1.
    init(count: Int) { members = Array(repeating: Member(), count: count) }

    var count: Int { members.count }

    /// Every member once, in the order in which to ask them.
    func order(now: BootInstant) -> [Int] {
        let all = Array(first..<members.count) + Array(0..<first)
        let resting = all.filter { now < members[$0].restsUntil }
            .sorted { members[$0].restsUntil < members[$1].restsUntil }
        return all.filter { now >= members[$0].restsUntil } + resting
    }

    /// The member has answered for the cluster.
    mutating func noteSuccess(_ member: Int) {
        first = member
        members[member] = Member()
    }

    /// The member did not answer, or cannot serve: the next one is asked first.
    mutating func noteFailure(_ member: Int, now: BootInstant) {
        // Those that were under way when it failed are not failures of their own.
        if now >= members[member].restsUntil {
            members[member].failures = min(members[member].failures + 1, 16)
            let pause = Self.shortestPause * (1 << (members[member].failures - 1))
            members[member].restsUntil = now + min(pause, Self.longestPause)
        }
        if first == member { first = (member + 1) % members.count }
    }
}
