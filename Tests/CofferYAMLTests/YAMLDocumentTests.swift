import CofferYAML
import Testing

@Suite struct YAMLDocumentTests {
    /// A tree in short: places before values, null as -.
    private func short(_ node: YAMLNode) -> String {
        let place = "\(node.mark.line):\(node.mark.column)"
        switch node.content {
        case .scalar(let text): return "\(place) \(node.isNull ? "-" : text)"
        case .sequence(let elements): return "\(place) [\(elements.map(short).joined(separator: ", "))]"
        case .mapping(let pairs):
            let parts = pairs.map { "\(short($0.key)): \(short($0.value))" }
            return "\(place) {\(parts.joined(separator: ", "))}"
        }
    }

    private func tree(_ text: String) throws -> String? { try YAMLDocument.parse(text).map(short) }

    /// The problem of a text that is refused, with its place.
    private func problem(_ text: String) -> String? {
        do throws(YAMLError) {
            _ = try YAMLDocument.parse(text)
            return nil
        } catch {
            switch error {
            case .malformed(let problem, let mark): return "\(mark.line):\(mark.column) \(problem)"
            case .duplicates(let keys): return "twice " + keys.map(short).joined(separator: ", ")
            }
        }
    }

    @Test func everyKeyAndValueHasItsPlace() throws {
        let text = """
            # ä comment
            a: 1
            ö:
              - x
              - {k: v, l: [m]}
            "b": |
              text
              more
            """
        #expect(
            try tree(text) == """
                2:1 {2:1 a: 2:4 1, 3:1 ö: 4:3 [4:5 x, 5:5 {5:6 k: 5:9 v, 5:12 l: 5:15 [5:16 m]}], 6:1 b: 6:6 text
                more}
                """)
    }

    @Test(arguments: ["", "\n", "# nothing\n", "\u{feff}", "\u{feff}# nothing\n"])
    func aTextWithoutADocumentHasNoRoot(text: String) throws {
        #expect(try tree(text) == nil)
    }

    @Test(arguments: [
        ("~", "1:1 -"), ("null", "1:1 -"), ("Null", "1:1 -"), ("NULL", "1:1 -"), ("a:", "1:1 {1:1 a: 1:3 -}"),
        ("'null'", "1:1 null"), ("\"~\"", "1:1 ~"), ("''", "1:1 "), ("nULL", "1:1 nULL"), ("|\n  null", "1:1 null"),
        ("!!str null", "1:1 null"), ("! null", "1:1 -"), ("! 'null'", "1:1 null"), ("! [a]", "1:1 [1:4 a]"), ("!!null 'x'", "1:1 -"), ("!!int 5", "1:1 5"),
        ("a: \"x\\0y\"", "1:1 {1:1 a: 1:4 x\0y}"),
    ])
    func onlyPlainWordsAndTheTagAreNull(text: String, expected: String) throws {
        #expect(try tree(text) == expected)
    }

    @Test(arguments: [
        ("a: 1\nb: 2\na: 3\n", "twice 1:1 a"),
        ("x:\n  a: 1\n  'a': 2\n  b: 3\n  b: 4\n  a: 5\n", "twice 2:3 a, 4:3 b"),
        ("{\"1\": a, 1: b}", "twice 1:2 1"),
        ("a: &x 1\n*x : 2\n1: 3\n", "twice 1:4 1"),
    ])
    func keysComeOnce(text: String, expected: String) {
        #expect(problem(text) == expected)
    }

    @Test(arguments: [
        ("a: &x 1\nb: *x\n", "1:1 {1:1 a: 1:4 1, 2:1 b: 1:4 1}"),
        ("a: &x [1]\nb: [*x, *x]\n", "1:1 {1:1 a: 1:4 [1:8 1], 2:1 b: 2:4 [1:4 [1:8 1], 1:4 [1:8 1]]}"),
        ("- &x 1\n- &x 2\n- *x\n", "1:1 [1:3 1, 2:3 2, 2:3 2]"),
    ])
    func anAliasIsWhatItsAnchorNames(text: String, expected: String) throws {
        #expect(try tree(text) == expected)
    }

    @Test(arguments: [
        ("a: *x\n", "1:4 found an alias without its anchor"),
        // An anchor's own value is not known yet.
        ("a: &x [*x]\n", "1:8 found an alias without its anchor"),
        ("a: !vault |\n  secret\n", "1:4 found a tag that is not YAML's own"),
        ("!include hunter2\n", "1:1 found a tag that is not YAML's own"),
        ("a: [!<tag:example.org,2000:x> b]\n", "1:5 found a tag that is not YAML's own"),
        ("a: 1\n---\nb: 2\n", "2:1 found another document, expected one"),
        ("a: [hunter2\n", "2:1 did not find expected ',' or ']'"),
        ("a: 1\nb: \u{1}\n", "2:4 control characters are not allowed"),
        ("ö: 1\nüb: \u{1}\n", "2:5 control characters are not allowed"),
        ("a: @\n", "1:4 found character that cannot start any token"),
    ])
    func whatIsRefusedHasAPlaceAndIsNotQuoted(text: String, expected: String) {
        #expect(problem(text) == expected)
    }

    /// Each alias hides a value that is ten deep: four of them in one another are too much.
    @Test func aliasesDoNotHideDepth() throws {
        func chain(_ length: Int) -> String {
            (0..<length).map { number in
                let inner = number == 0 ? "x" : "*a\(number - 1)"
                return "a\(number): &a\(number) \(String(repeating: "[", count: 9))\(inner)\(String(repeating: "]", count: 9))\n"
            }.joined()
        }
        #expect(problem(chain(3)) == nil)
        #expect(problem(chain(4))?.contains("found more than 32 values in one another") == true)
    }

    @Test func valuesLieInOneAnotherToADepth() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        let limit = YAMLDocument.maximumDepth
        #expect(problem(nested(limit)) == nil)
        #expect(problem(nested(limit + 1)) == "1:\(limit + 1) found more than 32 values in one another")
        #expect(problem(String(repeating: "[", count: 1 << 20)) == "1:\(limit + 1) found more than 32 values in one another")
        #expect(problem(String(repeating: "- ", count: 1 << 19)) == "1:\(2 * limit + 1) found more than 32 values in one another")
    }

    /// Each level has the one before ten times: aliases count as what they stand for.
    @Test func aliasesDoNotMultiplyWithoutEnd() throws {
        let levels = (1...9).map { level in
            "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ") + "]"
        }
        let text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        #expect(problem(text + levels[..<3].joined(separator: "\n")) == nil)
        let refusal = try #require(problem(text + levels.joined(separator: "\n")))
        #expect(refusal.hasSuffix("found more than 100000 values"))
    }

    @Test func aDocumentHasManyValuesAtMost() {
        let limit = YAMLDocument.maximumNodes
        #expect(problem(String(repeating: "- 1\n", count: limit - 1)) == nil)
        #expect(problem(String(repeating: "- 1\n", count: limit)) == "\(limit):3 found more than 100000 values")
    }
}
