import CofferProcess

/// The kinds of value that a vault's setting can have.
extension VaultSetting {
    typealias Value<T> = any WritableKeyPath<VaultConfiguration, T> & Sendable

    /// What every text must be, whatever else: it can be printed and read back.
    @Sendable static func isText(_ text: String) -> Bool {
        (1...1_024).contains(text.utf8.count)
            && text.unicodeScalars.allSatisfy { scalar in
                switch scalar.value {
                case 0x20...0x7e, 0xa0...0x2027, 0x202a...0xd7ff, 0xe000...0xfefe, 0xff00...0xfffd,
                    0x10000...0x10ffff:
                    true
                default: false
                }
            }
    }

    static func text(
        _ name: String, _ expects: String, _ types: Set<VaultType>, _ value: Value<String>,
        isValid: @escaping @Sendable (String) -> Bool = { _ in true }
    ) -> VaultSetting {
        VaultSetting(
            name: name, expects: expects, types: types, isList: false,
            apply: { texts, vault in
                guard let text = texts.first, isText(text), isValid(text) else { return false }
                vault[keyPath: value] = text
                return true
            },
            show: { [$0[keyPath: value]] }, explain: nil)
    }

    /// A duration.
    ///
    /// - Parameters:
    ///   - range: in the unit, which is that of the name and of a bare number.
    ///   - orZero: 0 may be said too.
    static func quantity(
        _ name: String, _ range: ClosedRange<Int64>, _ unit: Quantity.Unit, _ types: Set<VaultType>,
        _ value: Value<Int>, orZero: Bool = false
    ) -> VaultSetting {
        let rule = QuantityRule(range, unit)
        let zero = orZero ? QuantityRule(0...0, unit) : nil
        return VaultSetting(
            name: name, expects: (orZero ? "0, or " : "") + rule.expects, types: types, isList: false,
            apply: { texts, vault in
                guard let count = texts.first.flatMap({ rule.read($0) ?? zero?.read($0) }) else { return false }
                vault[keyPath: value] = Int(count)
                return true
            },
            show: { [rule.show(Int64($0[keyPath: value]))] }, explain: nil)
    }

    static func number(
        _ name: String, _ range: ClosedRange<Int>, _ types: Set<VaultType>,
        _ get: @escaping @Sendable (VaultConfiguration) -> Int,
        set: @escaping @Sendable (inout VaultConfiguration, Int) -> Void
    ) -> VaultSetting {
        VaultSetting(
            name: name, expects: "a whole number from \(range.lowerBound) to \(range.upperBound)", types: types,
            isList: false,
            apply: { texts, vault in
                guard let number = texts.first.flatMap({ Int(digits: $0) }), range.contains(number) else { return false }
                set(&vault, number)
                return true
            },
            show: { [String(get($0))] }, explain: nil)
    }

    static func flag(_ name: String, _ types: Set<VaultType>, _ value: Value<Bool>) -> VaultSetting {
        VaultSetting(
            name: name, expects: "true or false", types: types, isList: false,
            apply: { texts, vault in
                guard let flag = texts.first.flatMap({ Bool(Enumerated.plain($0)) }) else { return false }
                vault[keyPath: value] = flag
                return true
            },
            show: { [String($0[keyPath: value])] }, explain: nil)
    }

    static func choice<C: CaseIterable & RawRepresentable<String> & Sendable>(
        _ name: String, _ types: Set<VaultType>, _ value: Value<C>
    ) -> VaultSetting {
        VaultSetting(
            name: name, expects: "one of \(names(C.self))", types: types, isList: false,
            apply: { texts, vault in
                guard let choice = texts.first.flatMap({ C.meant(by: $0) }) else { return false }
                vault[keyPath: value] = choice
                return true
            },
            show: { [$0[keyPath: value].rawValue] }, explain: nil)
    }

    /// A list of choices, kept in the order of their declaration.
    static func list<C: CaseIterable & RawRepresentable<String> & Equatable & Sendable>(
        _ name: String, _ types: Set<VaultType>,
        _ get: @escaping @Sendable (VaultConfiguration) -> [C], minimum: Int = 1,
        set: @escaping @Sendable (inout VaultConfiguration, [C]) -> Void
    ) -> VaultSetting {
        VaultSetting(
            name: name, expects: "a list of \(names(C.self))", types: types, isList: true,
            apply: { texts, vault in
                let choices = texts.compactMap { C.meant(by: $0) }
                guard choices.count == texts.count, choices.count >= minimum else { return false }
                set(&vault, C.allCases.filter(choices.contains))
                return true
            },
            show: { get($0).map(\.rawValue) }, explain: nil)
    }
}
