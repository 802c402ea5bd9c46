import CofferDaemon

/// Plays an input against the reader of the configuration file.
enum ConfigurationRun {
    /// - Returns: nil, or which promise was broken.
    static func play(_ input: UnsafeRawBufferPointer) -> String? {
        // What is not UTF-8 is refused when the file is read.
        guard let text = String(validating: input, as: UTF8.self) else { return nil }
        var configuration = Configuration()
        do throws(ConfigurationErrors) {
            try ConfigurationFile.apply(text, name: "c", to: &configuration)
        } catch {
            guard !error.errors.isEmpty else { return "refused without a mistake" }
            for mistake in error.errors where !mistake.place.starts(with: "c") || mistake.message.isEmpty {
                return "a mistake without its place: \(mistake)"
            }
            return nil
        }
        return shown(configuration)
    }

    /// What was taken can be printed by `--check`, and read back the same.
    private static func shown(_ configuration: Configuration) -> String? {
        var again = Configuration()
        for setting in Setting.all {
            let text = setting.show(configuration)
            if text == setting.show(again) { continue }
            guard setting.apply(text, &again) else {
                return "\(setting.path) takes a value that it then refuses"
            }
        }
        if !configuration.vaults.isEmpty {
            do throws(ConfigurationErrors) {
                try ConfigurationFile.apply(Setting.vaultsYAML(configuration), name: "c", to: &again)
            } catch {
                return "what is printed of the vaults is refused: \(error.errors)"
            }
        }
        return again == configuration ? nil : "a configuration reads back as another"
    }
}
