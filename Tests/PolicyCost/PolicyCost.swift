import CofferAccess
import CofferCore
import Glibc

/// Measures what a policy costs a call on the hit path: nanoseconds a decision, and heap allocations, which there are none of.
///
///     cc -O2 -shared -fPIC -o /tmp/malloc-counter.so Benchmarks/malloc-counter.c
///     COFFER_MALLOC_COUNTER=/tmp/count LD_PRELOAD=/tmp/malloc-counter.so coffer-policy-cost [SHAPE]
///
/// Ends 0 if each shape of a policy keeps to its limit. Needs a release build and a machine that does little else.
@main
enum PolicyCost {
    static func main() throws {
        guard let counter = AllocationCounter() else {
            print("COFFER_MALLOC_COUNTER names no file of counters: preload Benchmarks/malloc-counter.c")
            exit(2)
        }
        var failed = 0
        let wanted = CommandLine.arguments.dropFirst().first
        let shapes = Shape.all().filter { wanted == nil || $0.name == wanted }
        for shape in shapes {
            let cost = try shape.measure(counter)
            let isKept = cost.nanoseconds <= Double(shape.limit) && cost.allocations == 0
            if !isKept { failed += 1 }
            print(
                "\(shape.name): \((cost.nanoseconds * 10).rounded() / 10) ns, at most \(shape.limit); "
                    + "\(cost.allocations) allocations\(isKept ? "" : "  TOO MUCH")")
        }
        print("\(shapes.count - failed) passed, \(failed) failed")
        exit(failed == 0 ? 0 : 1)
    }
}

/// Calls of malloc and its kin, as the preloaded counter writes them to a file.
struct AllocationCounter {
    private let file: Int32

    init?() {
        guard let path = getenv("COFFER_MALLOC_COUNTER") else { return nil }
        file = open(path, O_RDONLY)
        guard file >= 0, count > 0 else { return nil }
    }

    /// malloc, calloc, realloc and the aligned forms; free is the fifth number.
    var count: UInt64 {
        var counters: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let read = withUnsafeMutableBytes(of: &counters) { pread(file, $0.baseAddress, $0.count, 0) }
        return read == 32 ? counters.0 + counters.1 + counters.2 + counters.3 : 0
    }
}

/// A policy, and records that it is asked about.
struct Shape {
    /// A round is short enough that some are not interrupted.
    private static let decisions = 10_000
    private static let rounds = 200

    let name: String
    /// Nanoseconds a decision.
    let limit: Int
    private let policy: () throws -> Policy
    private let records: [(user: [UInt8], connection: [UInt8])]
    private let areAllowed: Bool

    /// - Parameter policy: made when it is measured.
    init(
        _ name: String, _ policy: @escaping @autoclosure () throws -> Policy, _ records: [(String, String)], areAllowed: Bool = true,
        limit: Int = 100
    ) {
        self.name = name
        self.limit = limit
        self.areAllowed = areAllowed
        self.policy = policy
        self.records = records.map { (Array($0.0.utf8), Array($0.1.utf8)) }
    }

    /// The best of several rounds, and the allocations of all.
    func measure(_ counter: AllocationCounter) throws -> (nanoseconds: Double, allocations: UInt64) {
        let caller = Caller(uid: 1_000, gid: 1_000, groups: .proven([500]), userName: .proven("worker"))
        let grants = CallerGrants(try policy(), for: caller, generation: 1, usages: UsageLedger(), now: Self.time(0))
        precondition(decide(grants, records.count, after: 0) == (areAllowed ? records.count : 0), "the policy does not decide as it should")
        let before = counter.count
        var best = UInt64.max
        for round in 1...Self.rounds {
            let start = Self.clock
            let allowed = decide(grants, Self.decisions, after: round * Self.decisions)
            best = min(best, Self.clock - start)
            precondition(allowed == (areAllowed ? Self.decisions : 0), "a decision has changed")
        }
        return (Double(best) / Double(Self.decisions), counter.count - before)
    }

    /// A microsecond passes from one decision to the next.
    private static func time(_ decisions: Int) -> BootInstant { BootInstant(nanoseconds: UInt64(decisions + 1) * 1_000) }

    @inline(never)
    private func decide(_ grants: CallerGrants, _ count: Int, after before: Int) -> Int {
        var (allowed, place) = (0, 0)
        for number in before..<before + count {
            let isAllowed = records[place].user.lend { user in
                records[place].connection.lend { grants.admit(.get, user: user, connection: $0, now: Self.time(number)).isAllowed }
            }
            if isAllowed { allowed += 1 }
            place += 1
            if place == records.count { place = 0 }
        }
        return allowed
    }

    /// In nanoseconds of this thread: what others do meanwhile does not count.
    private static var clock: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

extension Shape {
    private static func rule(_ name: String, _ keys: [(String, String)], limits: GrantLimits = .none) throws -> PolicyRule {
        PolicyRule(
            name: name, who: [.anyone], verbs: VerbSet([.get, .list]),
            keys: try keys.map { KeyRange(user: try PolicyPattern($0.0), connection: try PolicyPattern($0.1)) }, limits: limits)
    }

    /// The ids of `count` users, each with a connection.
    private static func records(_ count: Int, _ make: (Int) -> (String, String)) -> [(String, String)] { (0..<count).map(make) }

    static func all() -> [Shape] {
        let ids = records(64) { ("user-0000\($0)", "connection-\($0)") }
        let long = String(repeating: "u", count: 256)
        return [
            Shape("the owner", .owner(1_000), ids),
            Shape("own records", Policy(allow: [try own()]), records(64) { ("worker:\($0)", "google-drive-\($0)") }),
            Shape("a typical policy", try typical(), records(64) { ("worker:\($0)", "google-drive-\($0)") }),
            Shape("a typical policy that denies", try typical(), records(64) { ("admin-\($0)", "c") }, areAllowed: false),
            Shape("nothing fits", try typical(), ids, areAllowed: false),
            Shape("8,000 records", Policy(allow: [try rule("many", records(8_000) { ("user-0000\($0)", "connection-\($0)") })]), ids),
            Shape("8,000 users", Policy(allow: [try rule("many", records(8_000) { ("user-0000\($0)", "*") })]), ids),
            Shape(
                "64 patterns, the last fits", Policy(allow: [try rule("many", records(64) { ("tenant-\($0)-*", "*") })]),
                records(64) { ("tenant-63-\($0)", "c-\($0)") }, limit: 250),
            Shape(
                "ids of 256 bytes",
                Policy(allow: [try rule("long", [(long, long)])], deny: [try rule("no", [("*" + long.dropLast() + "x", "*")])]),
                [(long, long)], limit: 400),
            Shape(
                "a limit",
                Policy(allow: [try rule("limit", [("*", "*")], limits: GrantLimits(rate: RateLimit(1_000_000, per: .second), inFlight: 5))]),
                ids, limit: 150),
        ]
    }

    private static func own() throws -> PolicyRule { try rule("own", [("${caller.user}", "*"), ("${caller.user}:*", "*")]) }

    private static func typical() throws -> Policy {
        Policy(
            allow: [
                try own(),
                try rule("shared", [("shared-*", "smtp"), ("shared-*", "imap")]),
                try rule("reports", [("*-reports", "bigquery")]),
            ],
            deny: [try rule("root", [("root", "*"), ("admin-*", "*")])])
    }
}
