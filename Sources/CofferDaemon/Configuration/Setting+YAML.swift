import CofferVaultKit

extension Setting {
    /// The configuration as a file that gives the same one again. Settings that
    /// have no value stand in it as comments. It holds no secrets: none can be set.
    package static func yaml(_ configuration: Configuration) -> String {
        var text = ""
        var section = ""
        let isPlain = configuration.vaults.allSatisfy { !$0.isNamed && $0.driver.isLocal }
        // Where vaults are named, these two have no say.
        for setting in all where isPlain || !setting.path.hasPrefix("vault.") {
            let parts = setting.path.split(separator: ".", maxSplits: 1)
            if parts.count == 2 && parts[0] != section { text += "\(parts[0]):\n" }
            section = parts.count == 2 ? String(parts[0]) : ""
            let indent = parts.count == 2 ? "  " : ""
            let value = setting.show(configuration)
            let line = value.isEmpty ? "# \(parts.last!): not set" : "\(parts.last!): \(quoted(value))"
            text += "\(indent)\(line)\n"
        }
        return isPlain ? text : text + vaultsYAML(configuration)
    }

    /// In double quotes unless it is made of letters, digits and harmless signs, and is not
    /// what stands for nothing in YAML.
    static func quoted(_ value: String) -> String {
        let isPlain = value.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."),
                UInt8(ascii: "_"): true
            default: false
            }
        }
        let isNull = value.isEmpty || value.lowercased() == "null"
        return isPlain && !isNull ? value : "\"\(LineLogHandler.escape(value))\""
    }
}
