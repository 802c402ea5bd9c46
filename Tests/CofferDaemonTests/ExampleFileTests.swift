import CofferDaemon
import CofferVaultCatalogue
import CofferVaultKit
import Foundation
import Testing

/// coffer.example.yaml, the reference of all settings.
@Suite struct ExampleFileTests {
    private let text: String

    init() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = root.appending(path: "docs/coffer.example.yaml")
        text = try String(contentsOf: file, encoding: .utf8)
    }

    @Test func hasTheDefaults() throws {
        var configuration = Configuration()
        try ConfigurationFile.apply(text, name: "coffer.example.yaml", to: &configuration)
        #expect(configuration == Configuration())
    }

    /// The lines of the sections `vaults` and `routes`, which stand in comments.
    private var vaults: [Substring] {
        let lines = text.split(separator: "\n")
        let rest = lines.drop { $0 != "# vaults:" }
        return Array(rest.prefix { $0.hasPrefix("#") && !$0.hasPrefix("# At most") })
    }

    /// With its comments made settings, each setting stands in it once, with a value that is taken.
    @Test func hasEverySetting() throws {
        let vaults = Set(vaults)
        let lines = text.split(separator: "\n").filter { !vaults.contains($0) }.map { line in
            line.wholeMatch(of: /# ( *[a-z_]+:.*)/).map { String($0.1) } ?? String(line)
        }
        let all = lines.joined(separator: "\n")
        var configuration = Configuration()
        try ConfigurationFile.apply(all, name: "coffer.example.yaml", to: &configuration)
        var section = ""
        var paths: [String] = []
        for line in lines {
            guard let match = line.wholeMatch(of: /( *)([a-z_]+):(.*)/) else { continue }
            let name = String(match.2)
            if match.3.isEmpty {
                section = name
            } else {
                paths.append(match.1.isEmpty ? name : "\(section).\(name)")
            }
        }
        #expect(paths.sorted() == Setting.all.map(\.path).sorted())
    }

    /// Without their comment signs they are a configuration, in which each setting of vaults and routes stands.
    @Test func hasEverySettingOfVaults() throws {
        let lines = vaults.map { $0.dropFirst(2) }
        let all = lines.joined(separator: "\n")
        var configuration = Configuration()
        try ConfigurationFile.apply(all, name: "coffer.example.yaml", to: &configuration)
        #expect(configuration.vaults.map(\.name) == ["main", "cluster", "cloud", "edge", "workers", "machines", "google", "regional", "azure", "private", "workload", "database", "shared", "local"])
        #expect(configuration.routes.count == 5)
        for name in ["type"] + VaultCatalogue.standard.settingNames {
            #expect(lines.contains { $0.hasPrefix("    \(name): ") }, "\(name)")
        }
    }
}
