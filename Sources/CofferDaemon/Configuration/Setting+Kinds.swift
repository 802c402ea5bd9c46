import CofferProcess

/// The kinds of value that a setting can have.
extension Setting {
    static func text(
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

    static func number<N: FixedWidthInteger & Sendable>(
        _ path: String, _ range: ClosedRange<N>,
        _ value: any WritableKeyPath<Configuration, N> & Sendable
    ) -> Setting {
        Setting(
            path: path, expects: "a whole number from \(range.lowerBound) to \(range.upperBound)",
            apply: { text, configuration in
                guard let number = N(digits: text), range.contains(number) else { return false }
                configuration[keyPath: value] = number
                return true
            },
            show: { String($0[keyPath: value]) })
    }

    /// - Parameters:
    ///   - range: in the unit.
    ///   - unit: of the name, and of a bare number.
    ///   - stored: how many of the value's own units are one of the name's.
    static func quantity<N: FixedWidthInteger & Sendable>(
        _ path: String, _ range: ClosedRange<N>, _ unit: Quantity.Unit,
        _ value: any WritableKeyPath<Configuration, N> & Sendable, stored: N = 1
    ) -> Setting {
        let rule = QuantityRule(Int64(range.lowerBound)...Int64(range.upperBound), unit)
        return Setting(
            path: path, expects: rule.expects,
            apply: { text, configuration in
                guard let count = rule.read(text) else { return false }
                configuration[keyPath: value] = N(count) * stored
                return true
            },
            show: { rule.show(Int64($0[keyPath: value] / stored)) })
    }

    static func choice<C: CaseIterable & RawRepresentable<String> & Sendable>(
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
