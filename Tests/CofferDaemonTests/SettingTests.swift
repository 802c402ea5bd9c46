import CofferCache
import CofferDaemon
import CofferServer
import Testing

@Suite struct SettingTests {
    @Test func namesAreUnique() {
        #expect(Set(Setting.all.map(\.path)).count == Setting.all.count)
    }

    /// What `--check` prints of a value, the file takes, and it means the same.
    @Test(arguments: Setting.all.map(\.path))
    func takesWhatItShows(path: String) throws {
        let setting = try #require(Setting.named(path))
        var configuration = changed
        let shown = setting.show(configuration)
        try #require(setting.apply(shown, &configuration))
        #expect(configuration == changed)
        #expect(shown != setting.show(Configuration()), "the test must change this setting too")
    }

    /// By default, of everything that is counted by uid.
    @Test func theShareOfAUIDIsWellBelowTheWhole() {
        let configuration = Configuration()
        let limits = configuration.limits
        #expect(limits.connectionsPerUID * 2 <= limits.connections)
        #expect(limits.bufferedBytesPerUID * 2 <= limits.bufferedBytes)
        #expect(configuration.cache.maximumFlightsPerUID * 2 <= configuration.cache.maximumFlights)
        #expect(limits.callsPerUID * 2 <= VaultConfiguration(name: "main").queue)
    }

    /// A configuration in which nothing has its default.
    private var changed: Configuration {
        var configuration = Configuration()
        for (path, value) in [
            ("socket", "/a"), ("socket_mode", "0666"), ("data", "/b"), ("environment", "e"), ("vault.type", "memory"),
            ("vault.timeout_ms", "1"), ("key.file", "/c"), ("key.passphrase_file", "/d"), ("reactors", "9"), ("spin_us", "10"),
            ("cache.bytes", "1"), ("cache.ttl_seconds", "1"), ("cache.stale_seconds", "2"),
            ("cache.negative_seconds", "3"), ("cache.refresh_ahead", "5"), ("limits.connections", "2"),
            ("limits.connections_per_uid", "3"), ("limits.calls", "14"), ("limits.calls_per_connection", "4"), ("limits.calls_per_uid", "5"),
            ("limits.credential_bytes", "6"), ("limits.frame_bytes", "4097"), ("limits.output_bytes", "65537"),
            ("limits.buffered_bytes", "4194305"), ("limits.buffered_bytes_per_uid", "4194306"),
            ("limits.frame_seconds", "7"), ("limits.write_stall_seconds", "8"), ("limits.idle_seconds", "9"),
            ("limits.drain_seconds", "11"), ("limits.call_ms", "12"), ("limits.maximum_call_ms", "13"),
            ("log.level", "trace"), ("log.format", "json"),
        ] {
            #expect(Setting.named(path)?.apply(value, &configuration) == true, "\(path)")
        }
        return configuration
    }

    @Test(arguments: [
        ("limits.connections", "1000000", "1000001"), ("limits.credential_bytes", "1048576", "1048577"),
        ("limits.frame_bytes", "1114112", "1114113"), ("limits.frame_bytes", "4096", "4095"),
        ("limits.output_bytes", "65536", "65535"), ("limits.buffered_bytes", "4194304", "4194303"), ("limits.idle_seconds", "0", "-1"),
        ("limits.drain_seconds", "300", "301"), ("limits.call_ms", "600000", "600001"), ("reactors", "64", "65"),
        ("spin_us", "1000", "1001"),
        ("cache.ttl_seconds", "3600", "3601"), ("cache.stale_seconds", "86400", "86401"),
        ("cache.negative_seconds", "60", "61"), ("cache.refresh_ahead", "0", "65"), ("socket_mode", "0777", "01777"), ("socket_mode", "600", "0200"),
        ("vault.timeout_ms", "1", "0"), ("reactors", "1", "1.0"), ("reactors", "1", " 1"), ("cache.bytes", "0", "64M"),
        ("environment", "x", ""), ("key.file", "/k", ""), ("log.level", "info", "loud"), ("environment", "pre-production", "Produktion"),
        ("environment", "x", "prod"), ("environment", "x", "a\u{200b}b"), ("environment", "x", " \r\n"),
    ])
    func hasItsRange(path: String, good: String, bad: String) throws {
        let setting = try #require(Setting.named(path))
        var configuration = Configuration()
        #expect(setting.apply(good, &configuration))
        let before = configuration
        #expect(!setting.apply(bad, &configuration))
        #expect(configuration == before, "a refused value changes nothing")
    }

    @Test(arguments: [
        ("limits.conections", "limits.connections"), ("limit.connections", "limits.connections"),
        ("limits.call", "limits.calls"), ("limits.call_m", "limits.call_ms"), ("socketmode", "socket_mode"),
        ("cache.ttl", nil), ("flux_capacitor", nil),
        ("x", nil), ("log.lvl", "log.level"),
    ] as [(String, String?)])
    func suggestsWhatIsNear(typed: String, suggestion: String?) {
        #expect(Setting.suggestion(for: typed) == suggestion)
    }
}
