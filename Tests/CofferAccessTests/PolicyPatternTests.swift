import CofferAccess
import Testing

@Suite struct PolicyPatternTests {
    private static let caller: Caller = {
        var caller = Caller(uid: 1_000, gid: 100)
        caller.userName = .proven("ann")
        caller.unit = .proven("worker@blue.service")
        return caller
    }()

    private func matches(_ pattern: String, _ id: String, _ caller: Caller = caller) throws -> Bool {
        let policy = Policy(allow: [try PolicyRule("r", .get, [(pattern, "*")])])
        return policy.grants(for: caller).allows(.get, id, "c")
    }

    @Test(arguments: [
        ("a", "a", true), ("a", "A", false), ("a", "ab", false), ("a", "", false),
        ("*", "a", true), ("*", "é", true), ("*", "", false),
        ("a*", "a", true), ("a*", "ab", true), ("a*", "ba", false),
        ("*b", "b", true), ("*b", "ab", true), ("*b", "ba", false),
        ("ab*bc", "abbc", true), ("ab*bc", "abc", false), ("ab*bc", "ab\u{e9}bc", true),
        ("abcdefgh*", "abcdefgh", true), ("abcdefgh*", "abcdefg", false), ("abcdefghi*", "abcdefgh_", false),
        ("é", "é", true), ("é", "e\u{301}", false), ("e\u{301}", "é", false),
        (#"a\*"#, "a*", true), (#"a\*"#, "ab", false), (#"\$\{caller.user\}"#, "${caller.user}", true),
        (#"\\"#, #"\"#, true), (#"\?\[\]"#, "?[]", true),
    ])
    func matchesByBytes(pattern: String, id: String, isMatch: Bool) throws {
        #expect(try matches(pattern, id) == isMatch)
    }

    @Test(arguments: [
        ("${caller.user}", "ann", true), ("${caller.user}", "anna", false), ("${caller.user}-*", "ann-1", true),
        ("t-${caller.user}", "t-ann", true), ("*-${caller.user}", "x-ann", true), ("${caller.uid}", "1000", true),
        ("${caller.instance}", "blue", true), ("${caller.user}.${caller.instance}", "ann.blue", true),
    ])
    func aVariableIsTheCallersOwn(pattern: String, id: String, isMatch: Bool) throws {
        #expect(try matches(pattern, id) == isMatch)
        let nobody = Caller(uid: 1_000, gid: 100)
        if pattern != "${caller.uid}" { #expect(try !matches(pattern, id, nobody)) }
    }

    /// Whoever is called `*` is no pattern.
    @Test func theValueOfAVariableStandsForItself() throws {
        var caller = Self.caller
        caller.userName = .proven("*")
        #expect(try matches("${caller.user}", "*", caller))
        #expect(try !matches("${caller.user}", "ann", caller))
        caller.userName = .proven("")
        #expect(try !matches("a${caller.user}", "a", caller))
    }

    @Test(arguments: [
        ("", .length(0)), (String(repeating: "a", count: 513), .length(513)), ("a\0", .controlCharacter),
        ("a\u{85}", .controlCharacter), ("a\n", .controlCharacter), ("**", .secondStar), ("a*b*", .secondStar),
        ("a?", .reserved("?")), ("[a]", .reserved("[")), ("a]", .reserved("]")), ("{a", .reserved("{")), ("a}", .reserved("}")),
        (#"\"#, .escape), (#"\a"#, .escape), (#"a\"#, .escape), ("$", .dollar), ("$a", .dollar), ("${caller.user", .dollar),
        ("${}", .unknownVariable("")), ("${user}", .unknownVariable("user")), ("${caller.user }", .unknownVariable("caller.user ")),
    ] as [(String, PolicyPatternError)])
    func refusesWhatMeansSomethingElsewhere(text: String, expected: PolicyPatternError) {
        #expect(throws: expected) { try PolicyPattern(text) }
        #expect(!expected.description.isEmpty)
    }

    @Test func variablesAreRefusedWhereThereAreNone() {
        #expect(throws: PolicyPatternError.noVariables) { try PolicyPattern("${caller.user}", hasVariables: false) }
    }

    /// Accents behind a sign make another character of it, and leave the byte what it was.
    @Test func signsAreReadByTheirScalars() throws {
        #expect(throws: PolicyPatternError.secondStar) { try PolicyPattern("*\u{301}*") }
        #expect(try matches("*\u{301}", "a\u{301}"))
        #expect(throws: PolicyPatternError.reserved("?")) { try PolicyPattern("?\u{301}") }
    }

    @Test(arguments: ["a", "*", #"\"#, "${caller.user}", "?[]{}", "é*\u{301}"])
    func whatIsEscapedStandsForItself(text: String) throws {
        let pattern = try PolicyPattern(PolicyPattern.escaped(text))
        #expect(pattern == PolicyPattern(literal: text))
        #expect(pattern.matches(text))
        #expect(!pattern.matches(text + "a"))
    }

    @Test(arguments: [
        ("*", "*", true), ("*", "a", true), ("*", "${caller.user}", true), ("a", "a", true), ("a", "*", false), ("a", "a*", false),
        ("a*", "ab*", true), ("ab*", "a*", false), ("a*", "a", true), ("*b", "ab", true), ("*ab", "*b", false), ("*b", "*ab", true),
        ("ab*bc", "abc", false), ("ab*bc", "abbc", true), ("a*", "${caller.user}", false), ("${caller.user}*", "${caller.user}-*", true),
        ("${caller.user}", "${caller.uid}", false), ("${caller.user}", "${caller.user}", true),
    ])
    func coversWhateverTheVariablesAre(wide: String, narrow: String, isCovered: Bool) throws {
        #expect(try PolicyPattern(wide).covers(PolicyPattern(narrow)) == isCovered)
    }

    /// Words are compared eight bytes at a time: none is left out, whatever the length.
    @Test(arguments: 1...20)
    func everyByteCounts(length: Int) throws {
        let word = String("abcdefghijklmnopqrst".prefix(length))
        let shapes = [("", ""), ("*", ""), ("", "*")].map { (Array(($0 + word + $1).utf8), $0, $1) }
        for (pattern, before, after) in shapes {
            let policy = Policy(allow: [
                try PolicyRule("user", .get, [(String(decoding: pattern, as: UTF8.self), "*")]),
                try PolicyRule("connection", .store, [("*", String(decoding: pattern, as: UTF8.self))]),
                try PolicyRule("record", .list, [("u", String(decoding: pattern, as: UTF8.self))]),
            ])
            let grants = policy.grants(for: Self.caller)
            for filler in ["", "-", "---------"] where filler.isEmpty || !(before + after).isEmpty {
                let (left, right) = (before.isEmpty ? "" : filler, after.isEmpty ? "" : filler)
                for changed in -1..<length {
                    var bytes = Array(word.utf8)
                    if changed >= 0 { bytes[changed] ^= 1 }
                    let id = Array(left.utf8) + bytes + Array(right.utf8)
                    #expect(grants.decision(.get, id, [0x63]).isAllowed == (changed < 0), "byte \(changed)")
                    #expect(grants.decision(.store, [0x75], id).isAllowed == (changed < 0), "byte \(changed)")
                    #expect(grants.decision(.list, [0x75], id).isAllowed == (changed < 0), "byte \(changed)")
                }
            }
        }
    }

    @Test func idsOfAnyLegalLengthAreMatched() throws {
        let longest = String(repeating: "a", count: 256)
        #expect(try matches(longest, longest))
        #expect(try matches("*" + longest, longest))
        #expect(try !matches("*", longest + "a"))
        #expect(try !matches(longest + "a", longest + "a"))
        #expect(try !matches("b*" + longest, "b" + longest))
        #expect(try !matches("*", ""))
    }
}
