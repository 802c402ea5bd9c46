import CofferDaemon
import Foundation
import Testing

/// coffer.example.yaml, the reference of all settings.
@Suite struct ExampleFileTests {
    private let text: String

    init() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let file = root.appending(path: "Sources/CofferDaemon/Documentation.docc/coffer.example.yaml")
        text = try String(contentsOf: file, encoding: .utf8)
    }

    @Test func hasTheDefaults() throws {
        var configuration = Configuration()
        try ConfigurationFile.apply(text, name: "coffer.example.yaml", to: &configuration)
        #expect(configuration == Configuration())
    }

    /// With its comments made settings, each setting stands in it once, with a value that is taken.
    @Test func hasEverySetting() throws {
        let lines = text.split(separator: "\n").map { line in
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
}
