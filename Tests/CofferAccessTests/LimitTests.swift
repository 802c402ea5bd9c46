import CofferAccess
import CofferCore
import Dispatch
import Synchronization
import Testing

@Suite struct LimitTests {
    private let caller = Caller(uid: 1, gid: 10)

    private func at(_ milliseconds: UInt64) -> BootInstant { BootInstant(nanoseconds: 1_000_000_000_000 + milliseconds * 1_000_000) }

    // MARK: The bucket

    /// A bucket that is counted in whole tokens, each with its time.
    private struct SlowBucket {
        let rate: RateLimit
        var tokens: Double
        var last: UInt64 = 0

        init(_ rate: RateLimit) {
            self.rate = rate
            tokens = Double(rate.burst)
        }

        mutating func take(_ now: UInt64) -> Bool {
            tokens = min(Double(rate.burst), tokens + Double(now - last) * Double(rate.count) / Double(rate.period.rawValue))
            last = now
            guard tokens >= 1 else { return false }
            tokens -= 1
            return true
        }
    }

    @Test(arguments: UInt64(0)..<20)
    func allowsWhatABucketOfTokensDoes(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let rate = RateLimit(1 + random.below(500), per: random.pick(RateLimit.Period.allCases), burst: 1 + random.below(50))
        var slow = SlowBucket(rate)
        var fullAt = BootInstant(nanoseconds: 0)
        var (now, taken, differences) = (UInt64(1), 0, 0)
        for _ in 0..<5_000 {
            now += UInt64(random.below(Int(2 * rate.period.rawValue) / rate.count))
            let isTaken = slow.take(now)
            switch rate.take(fullAt: fullAt, now: BootInstant(nanoseconds: now)) {
            case .taken(let next):
                fullAt = next
                taken += 1
                if !isTaken { differences += 1 }
            case .wait(let nanoseconds):
                #expect(nanoseconds > 0)
                if isTaken { differences += 1 }
                // What it says is the moment from which on there is one.
                let then = BootInstant(nanoseconds: now + nanoseconds)
                if case .wait = rate.take(fullAt: fullAt, now: then) { Issue.record("there is still none") }
                if case .taken = rate.take(fullAt: fullAt, now: BootInstant(nanoseconds: now + nanoseconds - 1)) {
                    Issue.record("there is one before")
                }
            }
        }
        #expect(taken > 1_000)
        // At the very moment of a token the two round differently.
        #expect(differences <= 5)
    }

    @Test func aBucketHoldsNoMoreThanItsBurst() {
        let rate = RateLimit(10, per: .second, burst: 3)
        let usage = GrantUsage(GrantLimits(rate: rate))
        for _ in 0..<3 { #expect(usage.take(now: at(0)) == nil) }
        #expect(usage.take(now: at(0)) == 100_000_000)
        #expect(usage.take(now: at(99)) == 1_000_000)
        #expect(usage.take(now: at(100)) == nil)
        for _ in 0..<3 { #expect(usage.take(now: at(100_000)) == nil) }
        #expect(usage.take(now: at(100_000)) != nil)
    }

    @Test func theExtremesNeitherTrapNorOverflow() {
        for count in [1, RateLimit.maximumCount] {
            for burst in [1, RateLimit.maximumCount] {
                for period in RateLimit.Period.allCases {
                    let rate = RateLimit(count, per: period, burst: burst)
                    #expect(rate.take(fullAt: BootInstant(nanoseconds: 0), now: at(0)) != .wait(0))
                }
            }
        }
        #expect(RateLimit(3, per: .minute).burst == 3)
        #expect(RateLimit(3, per: .minute).text == "3/m")
    }

    /// A clock that two threads read is not the same for both.
    @Test func timeThatGoesBackGivesNothing() {
        let usage = GrantUsage(GrantLimits(rate: RateLimit(1, per: .second)))
        #expect(usage.take(now: at(1_000)) == nil)
        #expect(usage.take(now: at(500)) == 1_500_000_000)
        #expect(usage.take(now: at(2_000)) == nil)
    }

    @Test func threadsTogetherGetNoMore() {
        let usage = GrantUsage(GrantLimits(rate: RateLimit(100, per: .second), inFlight: 7))
        let taken = Atomic(0)
        let entered = Atomic(0)
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            for _ in 0..<1_000 {
                if usage.take(now: at(0)) == nil { taken.add(1, ordering: .relaxed) }
                if usage.enter() { entered.add(1, ordering: .relaxed) }
            }
        }
        #expect(taken.load(ordering: .relaxed) == 100)
        #expect(entered.load(ordering: .relaxed) == 7)
        usage.leave()
        #expect(usage.enter())
        #expect(!usage.enter())
    }

    // MARK: In a policy

    private func limited(_ name: String, _ count: Int, _ keys: [(String, String)] = [("*", "*")]) throws -> PolicyRule {
        try PolicyRule(name, .get, keys, limits: GrantLimits(rate: RateLimit(count, per: .second)))
    }

    @Test func whatIsAllowedWithoutLimitsPaysNothing() throws {
        let policy = Policy(allow: [try limited("a", 1), try PolicyRule("b", .get, [("u", "*")])])
        let grants = policy.grants(for: caller)
        for _ in 0..<10 { #expect(grants.admit(.get, "u", "c", now: at(0)) == .allowed(rule: 1)) }
        #expect(grants.admit(.get, "v", "c", now: at(0)) == .limited(rule: 0))
        #expect(grants.admit(.get, "v", "c", now: at(0)) == .exhausted(rule: 0, nanoseconds: 1_000_000_000))
        #expect(grants.decision(.get, "v", "c") == .limited(rule: 0))
    }

    @Test func theFirstRuleWithRoomPays() throws {
        let policy = Policy(allow: [try limited("a", 1), try limited("b", 2)])
        let grants = policy.grants(for: caller)
        let decisions = (0..<4).map { _ in grants.admit(.get, "u", "c", now: at(0)) }
        // The shortest wait is the one that helps.
        #expect(decisions == [.limited(rule: 0), .limited(rule: 1), .limited(rule: 1), .exhausted(rule: 1, nanoseconds: 500_000_000)])
    }

    @Test func aDeniedCallPaysNothing() throws {
        let policy = Policy(allow: [try limited("a", 1)], deny: [try PolicyRule("no", .get, [("x", "*")])])
        let grants = policy.grants(for: caller)
        for _ in 0..<5 { #expect(grants.admit(.get, "x", "c", now: at(0)) == .denied) }
        #expect(grants.admit(.get, "u", "c", now: at(0)) == .limited(rule: 0))
    }

    @Test func verbsAboutNoRecordHaveLimitsToo() throws {
        let rule = PolicyRule(name: "r", who: [.anyone], verbs: .stats, limits: GrantLimits(rate: RateLimit(1, per: .minute)))
        let grants = Policy(allow: [rule]).grants(for: caller)
        #expect(grants.admit(.stats, now: at(0)) == .limited(rule: 0))
        #expect(grants.admit(.stats, now: at(0)) == .exhausted(rule: 0, nanoseconds: 60_000_000_000))
        #expect(grants.admit(.health, now: at(0)) == .denied)
        #expect(grants.usage(ofRule: 0) != nil)
    }

    @Test func aListingTakesOneToken() throws {
        let limits = GrantLimits(rate: RateLimit(1, per: .second))
        let policy = Policy(
            allow: [try PolicyRule("a", .list, [("u", "c*"), ("v", "*")], limits: limits), try PolicyRule("b", .list, [("w", "d")])],
            deny: [try PolicyRule("no", .list, [("v", "*")])])
        let grants = policy.grants(for: caller)
        func admit(_ user: String) -> CallerGrants.Decision { Array(user.utf8).lend { grants.admitListing(.list, ofUser: $0, now: at(0)) } }
        for _ in 0..<3 { #expect(admit("w") == .allowed(rule: 1)) }
        for _ in 0..<3 { #expect(admit("v") == .denied && admit("x") == .denied) }
        for _ in 0..<3 { #expect(grants.admitListing(.list, now: at(0)) == .allowed(rule: 1)) }
        #expect(grants.admitListing(.get, now: at(0)) == .denied)
        #expect(admit("u") == .limited(rule: 0))
        #expect(admit("u") == .exhausted(rule: 0, nanoseconds: 1_000_000_000))
    }

    // MARK: For whom it is counted

    @Test func connectionsOfAUIDShareWhatTheyUse() throws {
        let usages = UsageLedger()
        let policy = Policy(allow: [try limited("a", 1)])
        let first = policy.grants(for: caller, usages: usages)
        let second = policy.grants(for: Caller(uid: 1, gid: 99), usages: usages)
        let other = policy.grants(for: Caller(uid: 2, gid: 10), usages: usages)
        #expect(first.admit(.get, "u", "c", now: at(0)) == .limited(rule: 0))
        #expect(!second.admit(.get, "u", "c", now: at(0)).isAllowed)
        #expect(other.admit(.get, "u", "c", now: at(0)) == .limited(rule: 0))
    }

    @Test func aPolicyThatIsLoadedAgainForgivesNothing() throws {
        let usages = UsageLedger()
        func grants(_ count: Int) throws -> CallerGrants { Policy(allow: [try limited("a", count)]).grants(for: caller, usages: usages) }
        #expect(try grants(1).admit(.get, "u", "c", now: at(0)).isAllowed)
        #expect(try !grants(1).admit(.get, "u", "c", now: at(0)).isAllowed)
        // Other limits begin anew.
        #expect(try grants(2).admit(.get, "u", "c", now: at(0)).isAllowed)
    }

    /// Whoever comes back after the book was swept has no second bucket, nor has who stays.
    @Test func whatIsInUseIsKeptAndTheRestGoes() throws {
        let usages = UsageLedger()
        let policy = Policy(allow: [try limited("a", 1)])
        let held = policy.grants(for: caller, usages: usages, now: at(0))
        // Nobody has these grants any more, but what they took is not given back before an hour is over.
        let other = Caller(uid: 2, gid: 10)
        #expect(policy.grants(for: other, usages: usages, now: at(0)).admit(.get, "u", "c", now: at(3_600_000)).isAllowed)
        for uid in UInt32(100)..<5_100 { _ = policy.grants(for: Caller(uid: uid, gid: 10), usages: usages, now: at(1)) }
        #expect(usages.count <= 1_100)
        #expect(!policy.grants(for: other, usages: usages, now: at(2)).admit(.get, "u", "c", now: at(3_600_000)).isAllowed)
        let again = policy.grants(for: caller, usages: usages, now: at(2))
        #expect(held.admit(.get, "u", "c", now: at(2)).isAllowed)
        #expect(!again.admit(.get, "u", "c", now: at(2)).isAllowed)
    }
}
