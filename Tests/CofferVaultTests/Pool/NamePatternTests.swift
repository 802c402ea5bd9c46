import CofferCore
import CofferVault
import Glibc
import Testing

@Suite struct NamePatternTests {
    /// What `*` means, without cleverness: tries every length for each star.
    private func naive(_ pattern: ArraySlice<UInt8>, _ id: ArraySlice<UInt8>) -> Bool {
        guard let first = pattern.first else { return id.isEmpty }
        if first == UInt8(ascii: "*") {
            return (0...id.count).contains { naive(pattern.dropFirst(), id.dropFirst($0)) }
        }
        return id.first == first && naive(pattern.dropFirst(), id.dropFirst())
    }

    @Test(arguments: [
        ("*", "anything", true), ("a", "a", true), ("a", "b", false), ("a", "aa", false), ("A", "a", false),
        ("team-*", "team-", true), ("team-*", "team-7", true), ("team-*", "team", false), ("*-x", "a-x", true),
        ("*-x", "-x", true), ("*-x", "a-xy", false), ("a*b*c", "abc", true), ("a*b*c", "a__b__c", true),
        ("a*b*c", "acb", false), ("ab*ba", "aba", false), ("ab*ba", "abba", true), ("*aab*", "xaaab", true),
        ("**", "x", true), ("a**b", "ab", true), ("?", "x", false), (".*", "x", false), ("é*", "é1", true),
        ("e\u{301}", "é", false),
    ])
    func matchesWholeIds(pattern: String, id: String, expected: Bool) throws {
        #expect(try NamePattern(pattern).matches(id) == expected)
    }

    @Test(arguments: 0..<40 as Range<UInt64>) func agreesWithWhatAStarMeans(seed: UInt64) throws {
        let random = SeededRandom(seed)
        func text(_ alphabet: [UInt8], _ lengths: ClosedRange<Int>) -> [UInt8] {
            (0..<lengths.lowerBound + Int(random.unit() * Double(lengths.count))).map { _ in
                alphabet[Int(random.unit() * Double(alphabet.count))]
            }
        }
        var matches = 0
        for _ in 0..<500 {
            let pattern = text(Array("ab*".utf8), 1...7)
            let id = text(Array("ab".utf8), 1...9)
            let expected = naive(pattern[...], id[...])
            matches += expected ? 1 : 0
            let found = try NamePattern(String(decoding: pattern, as: UTF8.self)).matches(
                String(decoding: id, as: UTF8.self))
            if found != expected { Issue.record("\(pattern) and \(id): \(found), expected \(expected)") }
        }
        #expect((50...450).contains(matches))
    }

    /// What this thread has had of the processor.
    private static func processorNanoseconds() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Ten times as much text takes some ten times as long, not a hundred times.
    @Test(arguments: [
        ("a*", "a", "b"), ("*a", "a", ""), ("aab*", "a", "b"), ("*aaaaaaaaaaaaaaab*", "a", ""),
        ("*ab*ab*ab*c*", "ab", ""),
    ])
    func hostileIdsTakeLinearTime(piece: String, unit: String, end: String) throws {
        let pattern = try NamePattern(String(repeating: piece, count: 500 / piece.utf8.count) + "c")
        // Of the processor, which others use too.
        func time(_ count: Int) -> UInt64 {
            let id = String(repeating: unit, count: count) + end
            return (0..<3).map { _ in
                let start = Self.processorNanoseconds()
                _ = pattern.matches(id)
                return Self.processorNanoseconds() - start
            }.min() ?? 0
        }
        _ = time(1_000)
        let (short, long) = (time(3_000), time(30_000))
        #expect(long < max(short, 50_000) * 40, "\(short) ns, then \(long)")
    }

    @Test func knowsThePatternForAll() throws {
        for (text, expected) in [("*", true), ("**", true), ("a*", false), ("*a", false), ("*a*", false), ("a", false)]
        {
            #expect(try NamePattern(text).matchesAll == expected)
        }
    }

    @Test(arguments: [
        ("", "pattern: expected 1 to 512 bytes, got 0"),
        (String(repeating: "*", count: 513), "pattern: expected 1 to 512 bytes, got 513"),
        ("a\nb", "pattern: must not hold control characters (U+0000 to U+001F, U+007F to U+009F)"),
    ])
    func refusesWhatIsNoPattern(text: String, message: String) {
        #expect(throws: Failure(.invalidArgument, .badField, message)) { try NamePattern(text) }
    }
}
