import CofferProcess
import CofferVaultKit

/// One value of the configuration: its name in the file, its rule, how it gets in and out, and
/// what the manual says of it. The file, the environment, `--check` and `--print-settings` all go
/// by `all`.
package struct Setting: Sendable {
    /// "limits.connections"
    package let path: String
    /// What would be right: "a whole number from 1 to 65536".
    package let expects: String
    /// The default for people, where its text is empty.
    let unset: String
    /// One or a few sentences for the manual.
    package let summary: String
    /// What can go wrong; "" = nothing to say.
    package let risk: String
    /// A running daemon takes another value when it is reloaded (SIGHUP). Else it needs a restart.
    package let isReloadable: Bool
    /// False if the text breaks the rule.
    package let apply: @Sendable (String, inout Configuration) -> Bool
    package let show: @Sendable (Configuration) -> String
    /// What is wrong with a text that was refused, where there is more to say.
    private let explain: (@Sendable (String, Configuration) -> String)?

    init(
        path: String, expects: String, unset: String, isReloadable: Bool = false, summary: String, risk: String,
        apply: @escaping @Sendable (String, inout Configuration) -> Bool,
        show: @escaping @Sendable (Configuration) -> String,
        explain: (@Sendable (String, Configuration) -> String)?
    ) {
        self.path = path
        self.expects = expects
        self.unset = unset
        self.isReloadable = isReloadable
        self.summary = summary
        self.risk = risk
        self.apply = apply
        self.show = show
        self.explain = explain
    }

    /// A setting that is one field of the configuration.
    init<Value>(
        _ path: String, _ kind: SettingKind<Value>, _ value: any WritableKeyPath<Configuration, Value> & Sendable,
        unset: String = "none", explain: (@Sendable (String, Configuration) -> String)? = nil,
        isReloadable: Bool = false, summary: String, risk: String = ""
    ) {
        self.init(
            path: path, expects: kind.expects, unset: unset, isReloadable: isReloadable, summary: summary, risk: risk,
            apply: { text, configuration in
                guard let parsed = kind.parse([text]) else { return false }
                configuration[keyPath: value] = parsed
                return true
            },
            show: { kind.show($0[keyPath: value]).first ?? "" }, explain: explain ?? { _, _ in kind.mistake })
    }

    /// What is wrong with a text that was refused, and what would be right.
    func mistake(_ text: String, _ configuration: Configuration) -> String {
        explain?(text, configuration) ?? "expected \(expects)"
    }

    /// Keys of the file that hold no single values: see `VaultsSection` and `RoutesSection`.
    static let sections = ["vaults", "routes"]

    /// The setting of exactly this path.
    package static func named(_ path: String) -> Setting? { all.first { $0.path == path } }

    /// The setting whose name is nearest, if it is near at all: for typing mistakes.
    package static func suggestion(for path: String) -> String? {
        let groups = all.compactMap { setting in setting.path.firstIndex(of: ".").map { String(setting.path[..<$0]) } }
        return Spelling.nearest(to: path, among: all.map(\.path) + groups + sections)
    }
}

extension SettingKind where Value == UInt32 {
    /// The mode of a file that its owner can read and write.
    static var mode: Self {
        SettingKind(
            "an octal mode from 0600 to 0777, owner rw included",
            parse: { text in
                UInt32(text, radix: 8).flatMap { $0 <= 0o777 && $0 & 0o600 == 0o600 ? $0 : nil }
            },
            show: { "0" + String($0, radix: 8) })
    }
}
