import CofferCache
import CofferServer
import Logging

/// One value of the configuration: its name in the file, its rule, and how it
/// gets in and out. The file, the environment and `--check` all go by this list.
package struct Setting: Sendable {
    /// "limits.connections"
    package let path: String
    /// What would be right: "a whole number from 1 to 65536".
    package let expects: String
    /// False if the text breaks the rule.
    package let apply: @Sendable (String, inout Configuration) -> Bool
    package let show: @Sendable (Configuration) -> String
    /// What is wrong with a text that was not taken, where there is more to say.
    private let explain: (@Sendable (String) -> String)?

    private init(
        path: String, expects: String, apply: @escaping @Sendable (String, inout Configuration) -> Bool,
        show: @escaping @Sendable (Configuration) -> String,
        explain: (@Sendable (String) -> String)? = nil
    ) {
        self.path = path
        self.expects = expects
        self.apply = apply
        self.show = show
        self.explain = explain
    }

    /// What is wrong with a text that was not taken, and what would be right.
    func mistake(_ text: String) -> String { explain?(text) ?? "expected \(expects)" }

    package static let all: [Setting] = [
        text("socket", "a path of 1 to 107 bytes", \.socket) { (1...107).contains($0.utf8.count) },
        Setting(
            path: "socket_mode", expects: "an octal mode from 0600 to 0777, owner rw included",
            apply: { text, configuration in
                guard let mode = UInt32(text, radix: 8), mode <= 0o777, mode & 0o600 == 0o600 else {
                    return false
                }
                configuration.socketMode = mode
                return true
            },
            show: { "0" + String($0.socketMode, radix: 8) }),
        text("data", "the absolute path of a folder", \.data) { $0.hasPrefix("/") && $0 != "/" },
        Setting(
            path: "environment", expects: EnvironmentName.expects,
            apply: { text, configuration in
                guard let name = EnvironmentName.meant(by: text) else { return false }
                configuration.environment = name
                return true
            },
            show: { $0.environment }, explain: EnvironmentName.mistake),
        Setting(
            path: "vault.type", expects: VaultType.expects,
            apply: { text, configuration in
                guard let type = VaultType.meant(by: text) else { return false }
                configuration.vault = type
                return true
            },
            show: { $0.vault.rawValue }, explain: VaultType.mistake),
        number("vault.timeout_ms", 1...600_000, \.vaultMilliseconds),
        text("key.file", "the path of a file with 32 bytes or 64 hex digits", \.keyFile) { !$0.isEmpty },
        text("key.passphrase_file", "the path of a file with the passphrase", \.passphraseFile) {
            !$0.isEmpty
        },
        number("reactors", 0...64, \.reactors),
        number("spin_us", 0...1_000, \.spinMicroseconds),
        number("cache.bytes", 0...(1 << 40), \.cache.maximumBytes),
        seconds(path: "cache.ttl_seconds", 0...3_600, \.cache.ttlMilliseconds),
        seconds(path: "cache.stale_seconds", 0...86_400, \.cache.staleMilliseconds),
        seconds(path: "cache.negative_seconds", 0...60, \.cache.negativeMilliseconds),
        number("cache.refresh_ahead", 0...64, \.cache.maximumRefreshes),
        number("limits.connections", 1...1_000_000, \.limits.connections),
        number("limits.connections_per_uid", 1...1_000_000, \.limits.connectionsPerUID),
        number("limits.calls", 1...1_000_000, \.limits.calls),
        number("limits.calls_per_connection", 1...65_536, \.limits.callsPerConnection),
        number("limits.calls_per_uid", 1...1_000_000, \.limits.callsPerUID),
        number("limits.credential_bytes", 1...(1 << 20), \.limits.credentialBytes),
        number("limits.frame_bytes", 4_096...ServerLimits().frameBytes, \.limits.frameBytes),
        number("limits.output_bytes", 65_536...(64 << 20), \.limits.outputBytes),
        number("limits.buffered_bytes", (4 << 20)...(64 << 30), \.limits.bufferedBytes),
        number("limits.buffered_bytes_per_uid", (4 << 20)...(64 << 30), \.limits.bufferedBytesPerUID),
        number("limits.frame_seconds", 1...600, \.limits.frameSeconds),
        number("limits.write_stall_seconds", 1...600, \.limits.writeStallSeconds),
        number("limits.idle_seconds", 0...604_800, \.limits.idleSeconds),
        number("limits.drain_seconds", 1...300, \.limits.drainSeconds),
        number("limits.call_ms", 1...600_000, \.limits.callMilliseconds),
        number("limits.maximum_call_ms", 1...600_000, \.limits.maximumCallMilliseconds),
        Setting(
            path: "log.level",
            expects: "one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))",
            apply: { text, configuration in
                guard let level = Logger.Level.meant(by: text) else { return false }
                configuration.logLevel = level
                return true
            },
            show: { $0.logLevel.rawValue }),
        choice("log.format", \.logFormat),
    ]

    /// Keys of the file that hold no single values: see `VaultSetting`.
    static let sections = ["vaults", "routes"]

    /// The setting of exactly this path.
    package static func named(_ path: String) -> Setting? { all.first { $0.path == path } }

    /// The setting whose name is nearest, if it is near at all: for typing mistakes.
    package static func suggestion(for path: String) -> String? {
        Spelling.nearest(to: path, among: all.map(\.path) + sections)
    }

    // MARK: Kinds of value

    private static func text(
        _ path: String, _ expects: String, _ value: any WritableKeyPath<Configuration, String> & Sendable,
        _ isValid: @escaping @Sendable (String) -> Bool
    ) -> Setting {
        Setting(
            path: path, expects: expects,
            apply: { text, configuration in
                guard isValid(text) else { return false }
                configuration[keyPath: value] = text
                return true
            },
            show: { $0[keyPath: value] })
    }

    private static func number<N: FixedWidthInteger & Sendable>(
        _ path: String, _ range: ClosedRange<N>,
        _ value: any WritableKeyPath<Configuration, N> & Sendable
    ) -> Setting {
        Setting(
            path: path, expects: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            apply: { text, configuration in
                guard let number = N(text), range.contains(number) else { return false }
                configuration[keyPath: value] = number
                return true
            },
            show: { String($0[keyPath: value]) })
    }

    /// Seconds in the file, milliseconds inside.
    private static func seconds(
        path: String, _ range: ClosedRange<UInt64>,
        _ value: any WritableKeyPath<Configuration, UInt64> & Sendable
    ) -> Setting {
        Setting(
            path: path, expects: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            apply: { text, configuration in
                guard let seconds = UInt64(text), range.contains(seconds) else { return false }
                configuration[keyPath: value] = seconds * 1_000
                return true
            },
            show: { String($0[keyPath: value] / 1_000) })
    }

    private static func choice<C: CaseIterable & RawRepresentable<String> & Sendable>(
        _ path: String, _ value: any WritableKeyPath<Configuration, C> & Sendable
    ) -> Setting {
        Setting(
            path: path, expects: "one of \(C.allCases.map(\.rawValue).joined(separator: ", "))",
            apply: { text, configuration in
                guard let choice = C.meant(by: text) else { return false }
                configuration[keyPath: value] = choice
                return true
            },
            show: { $0[keyPath: value].rawValue })
    }
}
