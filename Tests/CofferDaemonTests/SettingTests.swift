import CofferCache
import CofferDaemon
import CofferServer
import CofferVaultCatalogue
import CofferVaultKit
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

    @Test func everySettingIsDescribed() {
        for row in SettingsReference().rows {
            #expect(!row.summary.isEmpty && !row.summary.hasSuffix("."), "\(row.path)")
            for text in [row.summary, row.risk, row.standard, row.expects] { #expect(!text.contains("|"), "\(row.path)") }
        }
    }

    /// By default, of everything that is counted by uid.
    @Test func theShareOfAUIDIsWellBelowTheWhole() {
        let configuration = Configuration()
        let limits = configuration.limits
        #expect(limits.connectionsPerUID * 2 <= limits.connections)
        #expect(limits.bufferedBytesPerUID * 2 <= limits.bufferedBytes)
        #expect(configuration.cache.maximumFlightsPerUID * 2 <= configuration.cache.maximumFlights)
        #expect(limits.queuePerUID * 2 <= VaultConfiguration(name: "main", driver: VaultCatalogue.standard.drivers[0]).queue)
    }

    /// A configuration in which nothing has its default.
    private var changed: Configuration {
        var configuration = Configuration()
        for (path, value) in [
            ("socket", "/a"), ("socket_mode", "0666"), ("socket_group", "workers"), ("policy_file", "/p"), ("data", "/b"), ("environment", "e"), ("former_environment", "f"),
            ("vault.type", "memory"),
            ("vault.timeout_ms", "1"), ("key.file", "/c"), ("key.passphrase_file", "/d"), ("reactors", "9"), ("spin_us", "10"),
            ("cache.bytes", "1"), ("cache.ttl_seconds", "1"), ("cache.stale_seconds", "2"),
            ("cache.negative_seconds", "3"), ("cache.refresh_ahead", "5"), ("limits.connections", "2"),
            ("limits.connections_per_uid", "3"), ("limits.calls", "14"), ("limits.calls_per_connection", "4"), ("limits.calls_per_uid", "5"),
            ("limits.flights_per_uid", "15"), ("limits.queue_per_uid", "16"),
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
        ("vault.timeout_ms", "1", "0"), ("reactors", "1", "1.0"), ("reactors", "1", " 1"), ("cache.bytes", "0", "64M"), ("reactors", "1", "+1"), ("limits.calls", "10", "10s"),
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

    private static let durations = [
        "vault.timeout_ms", "spin_us", "cache.ttl_seconds", "cache.stale_seconds", "cache.negative_seconds",
        "limits.frame_seconds", "limits.write_stall_seconds", "limits.idle_seconds", "limits.drain_seconds",
        "limits.call_ms", "limits.maximum_call_ms",
    ]
    private static let sizes = [
        "cache.bytes", "limits.credential_bytes", "limits.frame_bytes", "limits.output_bytes",
        "limits.buffered_bytes", "limits.buffered_bytes_per_uid",
    ]

    /// A setting whose name has a unit is a duration or a size, and prints with one.
    @Test func everyDurationAndSizeHasAUnit() {
        let units = ["_ms", "_us", "seconds", "bytes", "bytes_per_uid"]
        let named = Setting.all.map(\.path).filter { path in units.contains { path.hasSuffix($0) } }
        #expect(Set(named) == Set(Self.durations + Self.sizes))
        for path in named {
            let shown = Setting.named(path)?.show(changed) ?? ""
            #expect(shown.wholeMatch(of: /[0-9]+(us|ms|s|m|h|d|B|KiB|MiB|GiB)/) != nil, "\(path): \(shown)")
        }
    }

    /// The same value with a unit, without one, and as it is printed.
    @Test(arguments: [
        ("vault.timeout_ms", "250ms", "250", "250ms"), ("vault.timeout_ms", "1.5s", "1500", "1500ms"),
        ("spin_us", "1ms", "1000", "1ms"), ("cache.ttl_seconds", "1h", "3600", "1h"), ("cache.ttl_seconds", "90s", "90", "90s"),
        ("cache.stale_seconds", "1d", "86400", "1d"), ("limits.idle_seconds", "1h30m", "5400", "90m"),
        ("limits.idle_seconds", "0s", "0", "0s"), ("limits.call_ms", "5s", "5000", "5s"),
        ("cache.bytes", "16MiB", "16777216", "16MiB"), ("cache.bytes", "0B", "0", "0B"),
        ("limits.credential_bytes", "64KiB", "65536", "64KiB"), ("limits.credential_bytes", "1000B", "1000", "1000B"),
        ("limits.buffered_bytes", "64GiB", "68719476736", "64GiB"),
    ])
    func takesUnits(path: String, text: String, bare: String, shown: String) throws {
        let setting = try #require(Setting.named(path))
        var (withUnit, without) = (Configuration(), Configuration())
        try #require(setting.apply(text, &withUnit))
        try #require(setting.apply(bare, &without))
        #expect(withUnit == without)
        #expect(setting.show(withUnit) == shown)
    }

    @Test(
        arguments: durations,
        ["-1s", "+1s", "1 s", "1x", "1S", "s", "", "1KiB", "1.5.5s", "0.5us", "99999999999999999999", "9223372036854775807d", "1h30", "٣s"])
    func refusesWhatIsNoDuration(path: String, text: String) throws {
        var configuration = Configuration()
        #expect(try !#require(Setting.named(path)).apply(text, &configuration))
        #expect(configuration == Configuration())
    }

    /// Each would be in range if it were rounded.
    @Test(arguments: [
        ("cache.ttl_seconds", "1500ms"), ("limits.frame_seconds", "1.5"), ("limits.drain_seconds", "1001ms"), ("limits.call_ms", "1500us"),
        ("spin_us", "0.5"), ("vault.timeout_ms", "1ms1us"), ("cache.bytes", "0.5"), ("limits.credential_bytes", "1.0001KiB"),
    ])
    func refusesFractionsOfTheUnit(path: String, text: String) throws {
        var configuration = Configuration()
        #expect(try !#require(Setting.named(path)).apply(text, &configuration))
        #expect(configuration == Configuration())
    }

    @Test(arguments: sizes, ["-1", "64K", "64kb", "64kib", "1 MiB", "KiB", "", "5s", "8589934592GiB", "99999999999999999999"])
    func refusesWhatIsNoSize(path: String, text: String) throws {
        var configuration = Configuration()
        #expect(try !#require(Setting.named(path)).apply(text, &configuration))
        #expect(configuration == Configuration())
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
