internal import CofferHTTP
package import CofferProcess

/// The values that a setting takes: how texts of the file become one, and how it is shown.
package struct SettingKind<Value: Sendable>: Sendable {
    /// "a whole number from 1 to 65536".
    package let expects: String
    /// How a value is written, for who got it wrong; "" = `expects` says it.
    package let form: String
    package let isList: Bool
    /// Nil if the texts break the rule.
    package let parse: @Sendable ([String]) -> Value?
    package let show: @Sendable (Value) -> [String]
    /// What is wrong with texts that were refused, in particular; "" = nothing more than that they are not what is expected.
    /// Never repeats them: they may be a secret in the wrong place.
    private let fault: @Sendable ([String]) -> String

    private init(
        _ expects: String, form: String = "", isList: Bool = false, parse: @escaping @Sendable ([String]) -> Value?,
        show: @escaping @Sendable (Value) -> [String], fault: @escaping @Sendable ([String]) -> String = { _ in "" }
    ) {
        self.expects = expects
        self.form = form
        self.isList = isList
        self.parse = parse
        self.show = show
        self.fault = fault
    }

    /// The values of a single text.
    package init(
        _ expects: String, form: String = "", parse: @escaping @Sendable (String) -> Value?,
        show: @escaping @Sendable (Value) -> String
    ) {
        self.init(expects, form: form, parse: { $0.first.flatMap(parse) }, show: { [show($0)] })
    }

    /// What is wrong with a text that was refused.
    package var mistake: String { "expected \(expects)\(form)" }

    /// The same, and which of these texts is meant.
    package func mistake(in texts: [String]) -> String {
        let fault = fault(texts)
        return fault.isEmpty ? mistake : "\(mistake); \(fault)"
    }
}

extension SettingKind where Value == String {
    /// A text of 1 to 1024 bytes without control characters; "" = not set.
    package static func text(
        _ expects: String = "a text of 1 to 1024 bytes without control characters",
        isValid: @escaping @Sendable (String) -> Bool = { _ in true }
    ) -> Self {
        SettingKind(expects, parse: { SettingText.isPrintable($0) && isValid($0) ? $0 : nil }, show: { $0 })
    }

    /// The path of a file. Whatever does not begin with / may be a secret in the wrong place.
    package static var absoluteFile: Self { text("the path of a file, from / on") { $0.hasPrefix("/") } }

    /// The address of a server: see `HTTPOrigin.init(address:)`.
    package static var address: Self {
        SettingKind(
            "https:// with a host and perhaps a port, without user, path or query",
            parse: { $0.first.flatMap { SettingText.isAddress($0) ? $0 : nil } }, show: { [$0] },
            fault: { $0.first.map { "it \(SettingText.fault(ofAddress: $0))" } ?? "" })
    }

    /// Where an API is, with what stands before the paths of its calls: see `HTTPURL.root`.
    package static var baseURL: Self {
        SettingKind(
            "https:// with a host, perhaps a port and a path, without user and query",
            parse: { HTTPURL($0) != nil && !$0.contains("?") ? $0 : nil }, show: { $0 })
    }

    /// Names with / between them. Slashes at either end do not count: Vault's own tools show
    /// and accept `admin/`.
    package static var path: Self {
        SettingKind(
            "names of letters, digits, -, _ and . with / between them, 1 to 256 bytes in all; none ends in a period or has two in a row",
            parse: { text in
                guard SettingText.isPrintable(text) else { return nil }
                let inner = text.drop { $0 == "/" }
                guard let end = inner.lastIndex(where: { $0 != "/" }) else { return nil }
                let path = String(inner[...end])
                return SettingText.isPath(path) ? path : nil
            },
            show: { $0 })
    }
}

extension SettingKind where Value == [String] {
    /// A list of texts that each pass `isValid`.
    ///
    /// - Parameter fault: what is wrong with one that does not: "has no port".
    package static func texts(
        _ expects: String, maximum: Int, fault: @escaping @Sendable (String) -> String = { _ in "is none" },
        isValid: @escaping @Sendable (String) -> Bool
    ) -> Self {
        SettingKind(
            expects, isList: true, parse: { $0.count <= maximum && $0.allSatisfy(isValid) ? $0 : nil }, show: { $0 },
            fault: { texts in
                guard texts.count <= maximum else { return "got \(texts.count)" }
                return texts.firstIndex { !isValid($0) }.map { "number \($0 + 1) \(fault(texts[$0]))" } ?? ""
            })
    }

    /// Addresses of servers that are asked in each other's place.
    ///
    /// - Parameter counts: how many, for people: "at most 16".
    package static func addresses(_ counts: String, maximum: Int) -> Self {
        texts(
            "a list of \(counts) addresses, each https:// with a host and perhaps a port, 443 without one", maximum: maximum,
            fault: SettingText.fault(ofAddress:), isValid: SettingText.isAddress)
    }
}

extension SettingKind where Value: FixedWidthInteger {
    /// A number without a unit or a sign.
    package static func number(_ range: ClosedRange<Value>) -> Self {
        SettingKind(
            "a whole number from \(range.lowerBound) to \(range.upperBound)",
            parse: { Value(digits: $0).flatMap { range.contains($0) ? $0 : nil } }, show: { String($0) })
    }

    /// A duration or a size.
    ///
    /// - Parameters:
    ///   - range: in the unit, which is that of the setting's name and of a bare number.
    ///   - stored: how many of the value's own units are one of the name's.
    ///   - orZero: 0 may be said too.
    package static func quantity(
        _ range: ClosedRange<Value>, _ unit: Quantity.Unit, stored: Value = 1, orZero: Bool = false
    ) -> Self {
        let rule = QuantityRule(Int64(range.lowerBound)...Int64(range.upperBound), unit)
        let zero = orZero ? QuantityRule(0...0, unit) : nil
        return SettingKind(
            (orZero ? "0, or " : "") + rule.expects, form: rule.form,
            parse: { text in (rule.read(text) ?? zero?.read(text)).map { Value($0) * stored } },
            show: { rule.show(Int64($0 / stored)) })
    }
}

extension SettingKind where Value == Bool {
    package static var flag: Self {
        SettingKind("true or false", parse: { Bool(Enumerated.plain($0)) }, show: { String($0) })
    }
}

extension SettingKind where Value: CaseIterable & RawRepresentable<String> {
    /// One of a few words.
    package static var choice: Self {
        SettingKind(
            "one of \(Enumerated.words(Value.self))", parse: { Value.meant(by: $0) }, show: { $0.rawValue })
    }
}

extension SettingKind {
    /// Perhaps one of a few words.
    package static func optionalChoice<C: CaseIterable & RawRepresentable<String>>() -> Self where Value == C? {
        SettingKind(
            "one of \(Enumerated.words(C.self))", parse: { C.meant(by: $0).map { .some($0) } },
            show: { $0?.rawValue ?? "" })
    }

    /// A list of words, kept in the order of their declaration.
    package static func choices<C: CaseIterable & RawRepresentable<String> & Equatable>(
        minimum: Int
    ) -> Self where Value == [C] {
        SettingKind(
            "a list of \(Enumerated.words(C.self))", isList: true,
            parse: { texts in
                let choices = texts.compactMap { C.meant(by: $0) }
                guard choices.count == texts.count, choices.count >= minimum else { return nil }
                return C.allCases.filter(choices.contains)
            },
            show: { $0.map(\.rawValue) })
    }
}

/// Rules for the texts of settings.
package enum SettingText {
    /// 1 to 1024 bytes that can be printed and read back.
    @Sendable package static func isPrintable(_ text: String) -> Bool {
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

    @Sendable static func isAddress(_ text: String) -> Bool { isPrintable(text) && HTTPOrigin(address: text) != nil }

    /// Why that is not the address of a server, without a word of it: it may hold a password.
    @Sendable static func fault(ofAddress text: String) -> String {
        let scheme = ["https://", "http://"].first { text.lowercased().hasPrefix($0) }
        guard let scheme else { return "does not begin with https://" }
        let rest = text.dropFirst(scheme.count)
        if rest.contains("@") { return "has a user in it" }
        if let url = HTTPURL(text), url.path != "/" { return "has a path or query behind the host" }
        let end = rest.prefix { $0 != "/" }
        let port = end.hasSuffix("]") ? nil : end.lastIndex(of: ":").map { end[end.index(after: $0)...] }
        if let port, UInt16(port).map({ $0 > 0 }) != true { return "has no port from 1 to 65535 behind its colon" }
        return "has no host, or one that no host's name or address is"
    }

    package static func isPath(_ text: String) -> Bool {
        guard (1...256).contains(text.utf8.count) else { return false }
        return text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { part in
            // A server may take two periods in a row for a way out of the mount.
            !part.isEmpty && !part.hasSuffix(".")
                && !zip(part.utf8, part.utf8.dropFirst()).contains { $0 == 0x2E && $1 == 0x2E }
                && part.utf8.allSatisfy {
                    isLowerOrDigit($0) || (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0)
                        || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
                }
        }
    }

    /// a to z, 0 to 9, and the hyphen.
    @Sendable package static func isLowerOrDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || byte == UInt8(ascii: "-")
    }
}
