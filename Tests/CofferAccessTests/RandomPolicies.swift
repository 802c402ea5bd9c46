import CofferAccess

/// Policies, callers and ids of few letters, so that much of them meets.
struct RandomPolicies {
    var random: SplitMix

    init(seed: UInt64) { random = SplitMix(seed: seed) }

    private static let units = ["a.service", "b@x.service", "b@y.service", "b@.service", "c.scope"]
    private static let cgroups = ["/", "/s.slice", "/s.slice/a.service", "/s.slice/a.service/in", "/s.slice/a.servicex"]
    private static let paths = ["/bin/a", "/bin/b", "/opt/a"]
    private static let letters = ["a", "b", "-", "é", "e\u{301}", "\\*", "\\\\", "\\$", "x"]

    // MARK: Policies

    mutating func policy(rules: Int = 6) -> Policy {
        Policy(
            allow: (0..<random.below(rules)).map { rule("allow\($0)", line: $0 + 1, isLimited: random.oneIn(4)) },
            deny: (0..<random.below(3)).map { rule("deny\($0)", line: 100 + $0, isLimited: false) })
    }

    private mutating func rule(_ name: String, line: Int, isLimited: Bool) -> PolicyRule {
        let verbs = VerbSet(random.some(4) { $0.pick(Verb.allCases) })
        // Never used up: what limits do is another test's.
        let limits = isLimited ? GrantLimits(rate: RateLimit(RateLimit.maximumCount, per: .second)) : .none
        return PolicyRule(
            name: name, line: line, who: (0...random.below(2)).map { _ in selector() }, verbs: verbs,
            keys: verbs.isDisjoint(with: .aboutRecords) ? [] : (0...random.below(3)).map { _ in key() }, limits: limits)
    }

    mutating func selector() -> Selector {
        var selector = Selector()
        if random.oneIn(2) { selector.users = random.some(2) { Self.principal(&$0) } }
        if random.oneIn(4) { selector.groups = random.some(2) { Self.principal(&$0) } }
        if random.oneIn(5) { selector.units = random.some(2) { Self.pattern($0.pick(Self.units + ["b@*.service", "*"])) } }
        if random.oneIn(6) { selector.cgroups = random.some(2) { $0.pick(Self.cgroups) } }
        if random.oneIn(6) { selector.executables = random.some(2) { Self.pattern($0.pick(Self.paths + ["/bin/*", "*a"])) } }
        if random.oneIn(10) { selector.digests = random.some(2) { [UInt8](repeating: UInt8($0.below(2)), count: 32) } }
        return selector
    }

    private static func principal(_ random: inout SplitMix) -> Selector.Principal {
        let id = UInt32(random.below(3))
        return .init(id: id, name: "p\(id)")
    }

    private static func pattern(_ text: String) -> PolicyPattern {
        do { return try PolicyPattern(text, hasVariables: false) } catch { return .init(literal: "refused: \(error)") }
    }

    mutating func key() -> KeyRange { KeyRange(user: pattern(), connection: random.oneIn(2) ? .any : pattern()) }

    mutating func pattern() -> PolicyPattern {
        if random.oneIn(6) { return .any }
        var pieces = random.some(4) { $0.pick(Self.letters) }
        if random.oneIn(3) { pieces.insert("${\(random.pick(CallerVariable.allCases).rawValue)}", at: random.below(pieces.count + 1)) }
        if random.oneIn(2) { pieces.insert("*", at: random.below(pieces.count + 1)) }
        do { return try PolicyPattern(pieces.joined()) } catch { return .init(literal: "refused: \(error)") }
    }

    // MARK: Callers

    mutating func caller() -> Caller {
        var caller = Caller(uid: UInt32(random.below(3)), gid: UInt32(random.below(3)))
        caller.groups = evidence { $0.some(2) { UInt32($0.below(3)) } }
        caller.userName = evidence { $0.pick(["a", "ab", "a*", "-", "éa"]) }
        caller.unit = evidence { $0.pick(Self.units) }
        caller.cgroup = evidence { $0.pick(Self.cgroups) }
        let digest = evidence { [UInt8](repeating: UInt8($0.below(2)), count: 32) }
        caller.executable = evidence { Caller.Executable(path: $0.pick(Self.paths), digest: digest) }
        return caller
    }

    private mutating func evidence<Value>(_ make: (inout SplitMix) -> Value) -> Evidence<Value> {
        switch random.below(6) {
        case 0: .absent
        case 1: .unproven
        default: .proven(make(&random))
        }
    }

    // MARK: Ids

    /// Sometimes of no legal length.
    mutating func id() -> [UInt8] {
        switch random.below(40) {
        case 0: []
        case 1: Array(repeating: UInt8(ascii: "a"), count: 255 + random.below(3))
        case 2: [0] + Array("a".utf8)
        default: random.some(6) { $0.pick(["a", "b", "-", "é", "e\u{301}", "*", "\\", "$", "x", "0", "1"]) }.flatMap { Array($0.utf8) }
        }
    }
}
