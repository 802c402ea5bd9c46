/// A step of libyaml's parser.
struct YAMLEvent {
    /// What can stand before a value.
    struct Properties {
        let anchor: String?
        let tag: String?
        /// A scalar without a tag and without quotes.
        var isPlain = false

        private static let schema = "tag:yaml.org,2002:"

        /// Its text is base64 of what is meant, which nobody decodes here.
        var isBinary: Bool { tag == Self.schema + "binary" }

        /// `!` alone asks for nothing.
        var hasKnownTag: Bool { tag.map { $0 == "!" || $0.hasPrefix(Self.schema) } ?? true }

        func isNull(_ text: String) -> Bool {
            isPlain ? ["", "~", "null", "Null", "NULL"].contains(text) : tag == Self.schema + "null"
        }
    }

    enum Kind {
        case streamStart, streamEnd, documentStart, documentEnd
        case alias(String)
        case scalar(String, Properties)
        case sequenceStart(Properties)
        case mappingStart(Properties)
        case sequenceEnd, mappingEnd
        /// Of a later libyaml.
        case other
    }

    let kind: Kind
    let mark: YAMLMark
}
