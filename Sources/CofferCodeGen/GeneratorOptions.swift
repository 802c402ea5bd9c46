/// What `--coffer_opt` asks for: `Side=client|server|typescript` and `Visibility=public|package`.
package struct GeneratorOptions: Equatable {
    /// Which text is wanted.
    package enum Side: String, CaseIterable {
        /// Stubs over swift-protobuf messages.
        case client
        /// Method table, scan schemas and dispatcher over protobuf-c messages.
        case server
        /// Messages and stubs for Node; `Visibility` has no meaning there.
        case typescript
    }

    /// The access level of what is generated.
    package enum Visibility: String, CaseIterable {
        case `public`
        case package
    }

    package let side: Side
    package let visibility: Visibility

    /// - Parameter pairs: the parameter as protoc passes it, split at `,` and `=`.
    /// - Throws: `GenerationError` for an unknown key, an unknown value or a missing `Side`.
    package init(_ pairs: [(key: String, value: String)]) throws(GenerationError) {
        var side: Side?
        var visibility = Visibility.package
        for (key, value) in pairs {
            switch key {
            case "Side": side = try Self.parse(key, value)
            case "Visibility": visibility = try Self.parse(key, value)
            default:
                throw GenerationError(
                    "parameter \(key)", "expected Side=client|server|typescript or Visibility=public|package")
            }
        }
        guard let side else {
            throw GenerationError("parameter Side", "is missing; pass Side=client, Side=server or Side=typescript")
        }
        self.side = side
        self.visibility = visibility
    }

    private static func parse<Value: RawRepresentable & CaseIterable>(
        _ key: String, _ value: String
    ) throws(GenerationError) -> Value where Value.RawValue == String {
        if let parsed = Value(rawValue: value) { return parsed }
        let allowed = Value.allCases.map(\.rawValue).joined(separator: " or ")
        throw GenerationError("parameter \(key)", "expected \(allowed), got \"\(value)\"")
    }
}
