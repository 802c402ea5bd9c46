import CofferAccess
import CofferPolicy
import CofferPolicyProbe
import Testing

@Suite struct PolicyFileTests {
    private func read(_ text: String) throws(PolicyMistakes) -> Policy { try PolicyFile.read(text, .example) }

    private func mistakes(_ text: String) -> [String] {
        do throws(PolicyMistakes) {
            _ = try read(text)
            return []
        } catch {
            return error.mistakes.map { "\($0.line):\($0.column): \($0.message)" }
        }
    }

    /// Of a rule that is good but for what is given, which stands in line 5 and what follows.
    private func mistakesOfRule(_ text: String, who: String = "{user: mail}", section: String = "allow") -> [String] {
        let other = section == "allow" ? "deny: []" : "allow: []"
        return mistakes("\(other)\n\(section):\n- name: r\n  who: \(who)\n\(text)")
    }

    // MARK: What is read

    @Test func everythingOfARuleIsRead() throws {
        let policy = try read(
            """
            allow:
            - name: mail-sync
              who:
              - {unit: "mail-*.service", user: [mail, 1005]}
              - group: workers
                cgroup: /system.slice/mail.service
                executable: /usr/bin/mail-sync
                sha256: [\(String(repeating: "0a", count: 32))]
              verbs: [get, list]
              keys:
              - {user_id: "${caller.user}", connection_id: [smtp, "imap-*"]}
              - {user_id: shared, connection_id: "*"}
              rate: 600/m
              burst: 50
              in_flight: 8
            - {name: watch, who: anyone, verbs: health}
            deny:
            - name: none
              who: {user: root}
              verbs: [get]
              keys: {user_id: "*", connection_id: "*"}
            """)
        let who = [
            Selector(
                users: [.init(id: 8, name: "mail"), .init(id: 1_005, name: "1005")],
                units: [try PolicyPattern("mail-*.service", hasVariables: false)]),
            Selector(
                groups: [.init(id: 500, name: "workers")], cgroups: ["/system.slice/mail.service"],
                executables: [PolicyPattern(literal: "/usr/bin/mail-sync")], digests: [[UInt8](repeating: 10, count: 32)]),
        ]
        let keys = [
            KeyRange(user: try PolicyPattern("${caller.user}"), connection: try PolicyPattern("smtp")),
            KeyRange(user: try PolicyPattern("${caller.user}"), connection: try PolicyPattern("imap-*")),
            KeyRange(user: try PolicyPattern("shared"), connection: .any),
        ]
        let limits = GrantLimits(rate: RateLimit(600, per: .minute, burst: 50), inFlight: 8)
        #expect(
            policy.allow == [
                PolicyRule(name: "mail-sync", line: 2, who: who, verbs: VerbSet([.get, .list]), keys: keys, limits: limits),
                PolicyRule(name: "watch", line: 16, who: [.anyone], verbs: VerbSet(.health)),
            ])
        let root = Selector(users: [.init(id: 0, name: "root")])
        #expect(policy.deny == [PolicyRule(name: "none", line: 18, who: [root], verbs: VerbSet(.get), keys: [.all])])
    }

    @Test func everyVerbIsKnown() throws {
        let names = Verb.allCases.map(\.name)
        #expect(names == ["get", "store", "delete", "list", "invalidate", "health", "stats", "doctor"])
        let policy = try read(
            "allow: [{name: r, who: anyone, verbs: [\(names.joined(separator: ", "))], keys: {user_id: '*', connection_id: '*'}}]")
        #expect(policy.allow.first?.verbs == .all)
    }

    @Test func nobodyIsAllowedAnythingOnlyIfThatIsWritten() throws {
        #expect(try read("allow: []") == Policy())
        for text in ["", "\n", "# nothing\n", "~", "{}"] {
            #expect(mistakes(text).first?.hasSuffix("got nothing; write allow: [] if nobody is to do anything") == true, "\(text)")
        }
        #expect(mistakes("alow: []") == ["1:1: unknown setting alow; did you mean allow?"])
        #expect(mistakes("deny: []") == ["1:1: allow is missing: nobody may do anything then; write allow: [] if that is meant"])
        #expect(mistakes("allow: ~") == ["1:8: expected a list of rules; write [] for none"])
        #expect(mistakes("[]") == ["1:1: expected a mapping with the lists allow and deny"])
    }

    // MARK: Mistakes

    @Test func allMistakesAreToldAtOnceEachInItsPlace() {
        let text = """
            allow:
            - name: "a b"
              who: {usr: mail, group: nobodies}
              verbs: [gett, get, get]
              keys:
              - {user_id: "**", conection_id: x}
              rate: fast
              burst: 0
            - just a text
            - {who: {user: mail}}
            denny: []
            """
        #expect(
            mistakes(text) == [
                "2:9: name: expected 1 to 64 letters, digits, -, _ and .",
                "3:9: unknown setting usr; did you mean user?",
                "3:27: group: there is no group nobodies on this host",
                "4:11: verbs: expected one of get, store, delete, list, invalidate, health, stats, doctor; did you mean get?",
                "4:22: verbs: get appears twice",
                "6:5: connection_id is missing; write connection_id: '*' for all of them",
                "6:15: user_id: expected one * at most; write \\* for a star that stands for itself",
                "6:21: unknown setting conection_id; did you mean connection_id?",
                "7:9: rate: expected a whole number from 1 to 1000000 and a period, such as 100/s, 600/m or 1000/h",
                "8:10: burst: expected a whole number from 1 to 1000000",
                "9:3: expected a rule, a mapping with name, who, verbs and keys",
                "10:3: name is missing: how messages and the audit log call the rule",
                "10:3: verbs is missing: what it is about: get, store, delete, list, invalidate, health, stats, doctor",
                "11:1: unknown setting denny; did you mean deny?",
            ])
    }

    @Test func whatIsNotYAMLIsToldWithAHint() {
        #expect(mistakes("allow: [") == ["2:1: is not YAML: did not find expected node content"])
        for (line, hint) in [
            ("*b*", "; put patterns with * in quotes"), ("[{a: ${caller.user}}]", "; put patterns with ${…} in quotes"),
            ("\"a\\*\"", "; put patterns with \\ in single quotes"),
            ("\n\t- a", "; indent with spaces, not tabs, and put what begins with @, % or ` in quotes"),
        ] {
            let found = mistakes("allow: \(line)")
            #expect(found.count == 1 && found[0].contains("is not YAML: ") && found[0].hasSuffix(hint), "\(found)")
        }
        #expect(
            mistakes("allow:\n- name: r\n  keys: {user_id: *, connection_id: x}").first?.hasSuffix("; put patterns with * in quotes") == true)
        #expect(mistakes("allow: []\nallow: []") == ["1:1: allow appears twice"])
    }

    @Test func eachRuleHasANameOfItsOwn() {
        let rule = "who: anyone, verbs: [health]"
        #expect(
            mistakes("allow: [{name: r, \(rule)}]\ndeny:\n- {name: r, \(rule)}") == [
                "3:10: name: r is that of the rule at line 1 too; give each rule a name of its own"
            ])
        #expect(mistakes("allow: [{name: \(String(repeating: "a", count: 64)), \(rule)}]") == [])
        #expect(mistakes("allow: [{name: \(String(repeating: "a", count: 65)), \(rule)}]").count == 1)
        #expect(mistakes("allow: [{name: é, \(rule)}]").count == 1)
        #expect(mistakes("allow: [{name: [r], \(rule)}]").count == 1)
    }

    @Test(arguments: [
        ("everyone", "who: expected a mapping with user, group, unit, cgroup, executable, sha256, or anyone"),
        ("{}", "who: expected a mapping with user, group, unit, cgroup, executable, sha256, or anyone"),
        ("[]", "who: expected 1 to 256 descriptions of callers, got 0"),
        ("[anyone]", "who: expected a mapping with user, group, unit, cgroup, executable, sha256, or anyone"),
        ("{user: }", "user: expected a value, or a list of several"),
        ("{user: []}", "user: expected a value, or a list of several"),
        ("{user: nobodyy}", "user: there is no user nobodyy on this host"),
        ("{user: 'a secret/of+somebody'}", "user: there is no user (a name of 20 bytes) on this host"),
        ("{user: 4294967295}", "user: expected a name or a number from 0 to 4294967294"),
        ("{user: 4294967296}", "user: expected a name or a number from 0 to 4294967294"),
        ("{user: [[mail]]}", "user: expected a name or a number from 0 to 4294967294"),
        ("{user: 65534}", "user: whoever has no number of its own here looks like 65534, so it describes nobody; name another user"),
        ("{group: nogroup}", "group: whoever has no number of its own here looks like 65534, so it describes nobody; name another group"),
        ("{unit: mail}", "unit: expected the whole name of a unit, such as mail.service"),
        ("{unit: mail.servic}", "unit: expected the whole name of a unit, such as mail.service"),
        ("{unit: '${caller.user}.service'}", "unit: there are no variables here; write \\$ for a dollar sign"),
        ("{unit: {a: b}}", "unit: expected a pattern; * stands for any text"),
        ("{cgroup: a}", "cgroup: expected a path from the root of the hierarchy without a slash at the end, such as /system.slice/mail.service"),
        ("{cgroup: /a/}", "cgroup: expected a path from the root of the hierarchy without a slash at the end, such as /system.slice/mail.service"),
        ("{cgroup: /a/../b}", "cgroup: expected a path from the root of the hierarchy without a slash at the end, such as /system.slice/mail.service"),
        ("{cgroup: //a}", "cgroup: expected a path from the root of the hierarchy without a slash at the end, such as /system.slice/mail.service"),
        ("{executable: mail-sync}", "executable: expected a path from the root, such as /usr/bin/mail-sync"),
        ("{executable: '*/mail-sync'}", "executable: expected a path from the root, such as /usr/bin/mail-sync"),
        ("{executable: /a, sha256: abc}", "sha256: expected 64 lower-case hexadecimal digits, as sha256sum prints them"),
        ("{sha256: 0000000000000000000000000000000000000000000000000000000000000000}", "sha256: expected executable beside it, the path of the program"),
    ])
    func whoIsDescribedInFull(who: String, mistake: String) {
        let found = mistakesOfRule("  verbs: [health]", who: who)
        #expect(found.count == 1)
        #expect(found.first?.hasSuffix(": " + mistake) == true, "\(found)")
        #expect(found.first?.hasPrefix("4:") == true, "\(found)")
    }

    @Test(arguments: ["anyone", "{cgroup: /}", "{unit: '*'}", "{unit: 'a@*.service'}", "{user: 0}", "{executable: '/opt/*'}", "[{user: mail}, {group: 5}]"])
    func whoMayBeDescribedSo(who: String) {
        #expect(mistakesOfRule("  verbs: [health]", who: who) == [])
    }

    @Test(arguments: [
        ("  verbs: []", "5:10: verbs: expected at least one of get, store, delete, list, invalidate, health, stats, doctor"),
        ("  verbs: ['*']", "5:11: verbs: expected one of get, store, delete, list, invalidate, health, stats, doctor"),
        ("  verbs: get", "3:3: keys is missing: the records that it is about, {user_id: PATTERN, connection_id: PATTERN}"),
        ("  verbs: get\n  keys: []", "6:9: keys: expected at least one {user_id: PATTERN, connection_id: PATTERN}"),
        ("  verbs: get\n  keys: all", "6:9: keys: expected {user_id: PATTERN, connection_id: PATTERN}"),
        ("  verbs: get\n  keys: {user_id: [], connection_id: a}", "6:19: user_id: expected a pattern, or a list of several"),
        ("  verbs: get\n  keys: {user_id: ~, connection_id: a}", "6:9: user_id is missing; write user_id: '*' for all of them"),
        ("  verbs: get\n  keys: {user_id: {a: b}, connection_id: a}", "6:19: user_id: expected a pattern; * stands for any text"),
        ("  verbs: get\n  keys: {user_id: '', connection_id: a}", "6:19: user_id: expected 1 to 512 bytes, got 0"),
        ("  verbs: get\n  keys: {user_id: 'a?', connection_id: a}", "6:19: user_id: ? has no meaning in a pattern; write \\? if it stands for itself"),
        ("  verbs: get\n  keys: {user_id: '${caller.name}', connection_id: a}", "6:19: user_id: expected one of the variables ${caller.user}, ${caller.uid}, ${caller.instance}"),
        ("  verbs: health\n  keys: {user_id: a, connection_id: a}", "6:9: keys: none of the rule's verbs is about records; remove keys, or add a verb such as get"),
        ("  verbs: health\n  burst: 5", "6:10: burst: expected rate beside it"),
        ("  verbs: health\n  in_flight: 0", "6:14: in_flight: expected a whole number from 1 to 65536"),
        ("  verbs: health\n  in_flight: 65537", "6:14: in_flight: expected a whole number from 1 to 65536"),
        ("  verbs: health\n  in_flight: +5", "6:14: in_flight: expected a whole number from 1 to 65536"),
    ])
    func whatARuleIsAboutIsWrittenInFull(text: String, mistake: String) {
        #expect(mistakesOfRule(text) == [mistake])
    }

    @Test(arguments: ["0/s", "1000001/s", "5", "5/d", "5/s/s", "/s", "-1/s", "1.5/s", "5 /s", "٣/s", "99999999999999999999/s", "[5/s]"])
    func aRateIsACountAndAPeriod(rate: String) {
        #expect(mistakesOfRule("  verbs: health\n  rate: \(rate)").map { $0.prefix(15) } == ["6:9: rate: expe"])
    }

    @Test(arguments: ["rate: 5/s", "in_flight: 5", "burst: 5"])
    func whatIsDeniedHasNoLimits(limit: String) {
        let found = mistakesOfRule("  verbs: health\n  \(limit)", section: "deny")
        #expect(found.count == 1)
        #expect(found.first?.hasSuffix("only rules that allow something have limits; remove it") == true)
    }

    @Test func aPolicyHasItsLimits() {
        func rules(_ count: Int) -> String {
            "allow:\n" + (0..<count).map { "- {name: r\($0), who: anyone, verbs: [health]}\n" }.joined()
        }
        #expect(mistakes(rules(1_024)) == [])
        #expect(mistakes(rules(1_025)) == ["1:1: expected at most 1024 rules, got 1025"])
        func keys(_ users: Int, _ connections: Int) -> String {
            let list = { (count: Int) in "[\((0..<count).map { "k\($0)" }.joined(separator: ", "))]" }
            return "  verbs: get\n  keys: {user_id: \(list(users)), connection_id: \(list(connections))}"
        }
        #expect(mistakesOfRule(keys(32, 32)) == [])
        #expect(mistakesOfRule(keys(33, 32)).first == "6:9: keys: expected at most 1024 pairs of ids, got 1056")
        let sixteen = { (count: Int) in
            "allow:\n" + (0..<count).map { "- {name: r\($0), who: anyone,\n\(keys(32, 32).replacing("\n", with: ",\n"))}\n" }.joined()
        }
        #expect(mistakes(sixteen(16)) == [])
        #expect(mistakes(sixteen(17)) == ["1:1: expected at most 16384 keys in all, each pair of ids counted, got 17408"])
        let who = "[" + Array(repeating: "{user: mail}", count: 257).joined(separator: ", ") + "]"
        #expect(mistakesOfRule("  verbs: health", who: who) == ["4:8: who: expected 1 to 256 descriptions of callers, got 257"])
    }
}
