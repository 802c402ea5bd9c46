internal import CYAML

/// libyaml's parser over a text. All that is unsafe about it is here.
struct YAMLEventReader: ~Copyable {
    /// Both stay where they are: libyaml keeps pointers to them.
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let text: UnsafeMutableBufferPointer<UInt8>
    private let count: Int
    private let hasMemory: Bool

    init(_ text: String) {
        count = text.utf8.count
        // Also for none: libyaml refuses a null pointer.
        self.text = .allocate(capacity: max(1, count))
        _ = self.text.initialize(from: text.utf8)
        parser = .allocate(capacity: 1)
        hasMemory = yaml_parser_initialize(parser) == 1
        guard hasMemory else { return }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, self.text.baseAddress, count)
    }

    deinit {
        if hasMemory { yaml_parser_delete(parser) }
        parser.deallocate()
        text.deallocate()
    }

    /// Not to be called again after it threw, or returned the end of the stream.
    mutating func next() throws(YAMLError) -> YAMLEvent {
        guard hasMemory else { throw .malformed(problem: "no memory is left", YAMLMark(line: 1, column: 1)) }
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) == 1 else { throw error }
        defer { yaml_event_delete(&event) }
        return YAMLEvent(kind: Self.kind(event), mark: YAMLMark(event.start_mark))
    }

    private static func kind(_ event: yaml_event_t) -> YAMLEvent.Kind {
        switch event.type {
        case YAML_STREAM_START_EVENT: return .streamStart
        case YAML_STREAM_END_EVENT: return .streamEnd
        case YAML_DOCUMENT_START_EVENT: return .documentStart
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_ALIAS_EVENT: return .alias(string(event.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT:
            let scalar = event.data.scalar
            let text = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            // Behind the tag `!` libyaml calls quoted texts implicit too.
            let isPlain = scalar.plain_implicit != 0 && scalar.style == YAML_PLAIN_SCALAR_STYLE
            return .scalar(
                String(decoding: text, as: UTF8.self),
                .init(anchor: string(scalar.anchor), tag: string(scalar.tag), isPlain: isPlain))
        case YAML_SEQUENCE_START_EVENT:
            let start = event.data.sequence_start
            return .sequenceStart(.init(anchor: string(start.anchor), tag: string(start.tag)))
        case YAML_SEQUENCE_END_EVENT: return .sequenceEnd
        case YAML_MAPPING_START_EVENT:
            let start = event.data.mapping_start
            return .mappingStart(.init(anchor: string(start.anchor), tag: string(start.tag)))
        case YAML_MAPPING_END_EVENT: return .mappingEnd
        default: return .other
        }
    }

    private static func string(_ start: UnsafeMutablePointer<UInt8>?) -> String? {
        start.map { String(cString: $0) }
    }

    /// libyaml's problems are fixed texts: they quote nothing of the file.
    private var error: YAMLError {
        let parser = parser.pointee
        let problem = parser.problem.map { String(cString: $0) } ?? "no memory is left"
        let mark = parser.error == YAML_READER_ERROR ? mark(ofByte: parser.problem_offset) : YAMLMark(parser.problem_mark)
        return .malformed(problem: problem, mark)
    }

    /// Of what libyaml cannot read it tells the byte only.
    private func mark(ofByte offset: Int) -> YAMLMark {
        let before = text[..<min(offset, count)]
        let line = before.lastIndex(of: 10).map { before[($0 + 1)...] } ?? before
        return YAMLMark(
            line: before.count { $0 == 10 } + 1, column: String(decoding: line, as: UTF8.self).unicodeScalars.count + 1)
    }
}

extension YAMLMark {
    fileprivate init(_ mark: yaml_mark_t) {
        self.init(line: mark.line + 1, column: mark.column + 1)
    }
}
