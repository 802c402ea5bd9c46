import CofferCache
import CofferProcess
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

    init(
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
        quantity("vault.timeout_ms", 1...600_000, .milliseconds, \.vaultMilliseconds),
        text("key.file", "the path of a file with 32 bytes or 64 hex digits", \.keyFile) { !$0.isEmpty },
        text("key.passphrase_file", "the path of a file with the passphrase", \.passphraseFile) {
            !$0.isEmpty
        },
        number("reactors", 0...64, \.reactors),
        quantity("spin_us", 0...1_000, .microseconds, \.spinMicroseconds),
        quantity("cache.bytes", 0...(1 << 40), .bytes, \.cache.maximumBytes),
        quantity("cache.ttl_seconds", 0...3_600, .seconds, \.cache.ttlMilliseconds, stored: 1_000),
        quantity("cache.stale_seconds", 0...86_400, .seconds, \.cache.staleMilliseconds, stored: 1_000),
        quantity("cache.negative_seconds", 0...60, .seconds, \.cache.negativeMilliseconds, stored: 1_000),
        number("cache.refresh_ahead", 0...64, \.cache.maximumRefreshes),
        number("limits.connections", 1...1_000_000, \.limits.connections),
        number("limits.connections_per_uid", 1...1_000_000, \.limits.connectionsPerUID),
        number("limits.calls", 1...1_000_000, \.limits.calls),
        number("limits.calls_per_connection", 1...65_536, \.limits.callsPerConnection),
        number("limits.calls_per_uid", 1...1_000_000, \.limits.callsPerUID),
        quantity("limits.credential_bytes", 1...(1 << 20), .bytes, \.limits.credentialBytes),
        quantity("limits.frame_bytes", 4_096...ServerLimits().frameBytes, .bytes, \.limits.frameBytes),
        quantity("limits.output_bytes", 65_536...(64 << 20), .bytes, \.limits.outputBytes),
        quantity("limits.buffered_bytes", (4 << 20)...(64 << 30), .bytes, \.limits.bufferedBytes),
        quantity("limits.buffered_bytes_per_uid", (4 << 20)...(64 << 30), .bytes, \.limits.bufferedBytesPerUID),
        quantity("limits.frame_seconds", 1...600, .seconds, \.limits.frameSeconds),
        quantity("limits.write_stall_seconds", 1...600, .seconds, \.limits.writeStallSeconds),
        quantity("limits.idle_seconds", 0...604_800, .seconds, \.limits.idleSeconds),
        quantity("limits.drain_seconds", 1...300, .seconds, \.limits.drainSeconds),
        quantity("limits.call_ms", 1...600_000, .milliseconds, \.limits.callMilliseconds),
        quantity("limits.maximum_call_ms", 1...600_000, .milliseconds, \.limits.maximumCallMilliseconds),
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
}
