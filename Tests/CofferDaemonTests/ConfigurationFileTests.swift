import CofferCache
import CofferDaemon
import CofferServer
import CofferVaultCatalogue
import CofferVaultKit
import Testing

@Suite struct ConfigurationFileTests {
    /// What is wrong with this file, one line for each mistake.
    private func mistakes(_ text: String) -> [String] {
        var configuration = Configuration()
        do throws(ConfigurationErrors) {
            try ConfigurationFile.apply(text, name: "c.yaml", to: &configuration)
            return []
        } catch {
            return error.errors.map(\.description)
        }
    }

    @Test func setsWhatItNames() throws {
        var configuration = Configuration()
        let text = """
            socket: /run/x.sock
            socket_mode: 0660
            vault: {type: memory}
            limits:
              connections: 12
            cache: {ttl_seconds: 7s, bytes: 1MiB}
            """
        try ConfigurationFile.apply(text, name: "c.yaml", to: &configuration)
        var expected = Configuration()
        expected.socket = "/run/x.sock"
        expected.socketMode = 0o660
        expected.vaultType = "memory"
        expected.limits.connections = 12
        expected.cache.ttlMilliseconds = 7_000
        expected.cache.maximumBytes = 1 << 20
        #expect(configuration == expected)
    }

    @Test(arguments: ["", "\n", "# nothing\n", "---\n", "null\n"])
    func changesNothingWhereNothingIs(text: String) throws {
        var configuration = Configuration()
        try ConfigurationFile.apply(text, name: "c.yaml", to: &configuration)
        #expect(configuration == Configuration())
    }

    @Test(arguments: [
        ("limits:\n  conections: 5\n", "c.yaml:2:3: unknown setting limits.conections; did you mean limits.connections?"),
        ("zzz: 5\n", "c.yaml:1:1: unknown setting zzz; cofferd --print-settings has all settings"),
        ("\"pass word: hunter2\": 5\n", "c.yaml:1:1: unknown setting (a name of 18 bytes); cofferd --print-settings has all settings"),
        (
            "limits:\n  Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9v: 1\n",
            "c.yaml:2:3: unknown setting (a name of 43 bytes); cofferd --print-settings has all settings"
        ),
        ("limits:\n  connections: many\n", "c.yaml:2:16: limits.connections: expected a whole number from 1 to 1000000"),
        ("limits:\n  connections: 0\n", "c.yaml:2:16: limits.connections: expected a whole number from 1 to 1000000"),
        ("cache: {ttl_seconds: 86400}\n", "c.yaml:1:22: cache.ttl_seconds: expected a duration from 0s to 1h in whole seconds; written without a space, in us, ms, s, m, h or d"),
        ("cache:\n  ttl_seconds: 2h\n", "c.yaml:2:16: cache.ttl_seconds: expected a duration from 0s to 1h in whole seconds; written without a space, in us, ms, s, m, h or d"),
        ("limits: {call_ms: -5s}\n", "c.yaml:1:19: limits.call_ms: expected a duration from 1ms to 10m in whole milliseconds; written without a space, in us, ms, s, m, h or d"),
        ("spin_us: 1m\n", "c.yaml:1:10: spin_us: expected a duration from 0us to 1ms in whole microseconds; written without a space, in us, ms, s, m, h or d"),
        ("limits: {output_bytes: 64kb}\n", "c.yaml:1:24: limits.output_bytes: expected a size from 64KiB to 64MiB; written without a space, in B, KiB, MiB or GiB"),
        ("limits: {output_bytes: 256 KiB}\n", "c.yaml:1:24: limits.output_bytes: expected a size from 64KiB to 64MiB; written without a space, in B, KiB, MiB or GiB"),
        ("lgo: {}\n", "c.yaml:1:1: unknown setting lgo; did you mean log?"),
        ("socket_mode: 0400\n", "c.yaml:1:14: socket_mode: expected an octal mode from 0600 to 0777, owner rw included"),
        ("socket: \"\"\n", "c.yaml:1:9: socket: expected a path of 1 to 107 bytes"),
        ("vault:\n  type: floppy\n", "c.yaml:2:9: vault.type: expected \(VaultCatalogue.standard.expects)"),
        ("log: {format: xml}\n", "c.yaml:1:15: log.format: expected one of auto, text, json"),
        ("reactors:\n  many: 1\n", "c.yaml:2:3: reactors is a single value, not a mapping"),
        ("limits: 5\n", "c.yaml:1:9: expected a mapping of settings, got a single value"),
        ("- socket\n", "c.yaml:1:1: expected a mapping or a single value, got a list"),
        ("limits: [1]\n", "c.yaml:1:9: expected a mapping or a single value, got a list"),
    ])
    func saysWhereAndWhatWouldBeRight(text: String, mistake: String) {
        #expect(mistakes(text) == [mistake])
    }

    @Test func tellsEveryMistake() {
        #expect(
            mistakes("reactors: many\nlog:\n  level: loud\nenvironment: x\n") == [
                "c.yaml:1:11: reactors: expected a whole number from 0 to 64",
                "c.yaml:3:10: log.level: expected one of trace, debug, info, notice, warning, error, critical",
            ])
    }

    @Test(arguments: [
        ("reactors: 1\nreactors: 2\n", "c.yaml:1:1: reactors appears twice"),
        ("log:\n  level: info\n  level: info\n", "c.yaml:2:3: level appears twice"),
    ])
    func refusesWhatComesTwice(text: String, mistake: String) {
        #expect(mistakes(text) == [mistake])
    }

    /// The message has the parser's problem and place, and nothing of the file.
    @Test func quotesNothingOfAFileThatIsNoYAML() {
        let found = mistakes("key:\n  file: [\"hunter2\n")
        #expect(found == ["c.yaml: is not YAML: line 3, column 1: found unexpected end of stream"])
    }
}
