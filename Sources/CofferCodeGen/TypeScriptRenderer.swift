/// The last stage for Node: a module for each .proto file with its enums, an
/// interface, an encoder and a strict decoder for each message, and a class of
/// stubs for each service, over the package's `Reader`, `Writer` and `Channel`.
package struct TypeScriptRenderer {
    package init() {}

    /// The text of one file.
    package func render(_ file: TypeFileModel, services: [ServiceModel], package name: String) -> String {
        var writer = CodeWriter()
        writer.fileHead(source: file.path)
        imports(file, services, &writer)
        for type in file.enums { render(type, &writer) }
        for message in file.messages {
            interface(message, &writer)
            encoder(message, &writer)
            decoder(message, &writer)
        }
        registry(file, &writer)
        for service in services { TypeScriptStubs(package: name).render(service, &writer) }
        return writer.text
    }

    private func imports(_ file: TypeFileModel, _ services: [ServiceModel], _ writer: inout CodeWriter) {
        let kinds = file.messages.flatMap(\.fields).map(\.kind)
        if !services.isEmpty { writer.line("import type { CallOptions, Channel, Method } from \"../channel.js\";") }
        let counts = kinds.contains(.uint64) ? ", UInt64" : ""
        writer.line("import type { MessageType\(counts) } from \"../wire/message.js\";")
        var empty = kinds.contains(.bytes) ? ["NO_BYTES"] : []
        if kinds.contains(.mapStringString) { empty.append("NO_TEXTS") }
        if !empty.isEmpty { writer.line("import { \(empty.joined(separator: ", ")) } from \"../wire/reader.js\";") }
        writer.line("import type { Reader } from \"../wire/reader.js\";")
        writer.line("import type { Writer } from \"../wire/writer.js\";")
        for other in file.imports {
            let types = (other.messages + other.enums).sorted().joined(separator: ", ")
            writer.line("import type { \(types) } from \"./\(other.file).js\";")
            let functions = (other.messages.map { "decode\($0)" } + other.messages.map { "encode\($0)" })
            if !functions.isEmpty {
                writer.line("import { \(functions.joined(separator: ", ")) } from \"./\(other.file).js\";")
            }
        }
    }

    private func render(_ type: EnumModel, _ writer: inout CodeWriter) {
        writer.line()
        writer.comment(type.documentation.isEmpty ? ["The values of `\(type.name)`."] : type.documentation)
        writer.nest("export const \(type.name) = {", "} as const;") {
            for value in type.values {
                $0.comment(value.documentation)
                $0.line("\(value.name): \(value.number),")
            }
        }
        writer.line()
        writer.comment(["One of `\(type.name)`, or a number that a later daemon has added."])
        writer.line("export type \(type.name) = number;")
    }

    // MARK: Messages

    private func interface(_ message: MessageTypeModel, _ writer: inout CodeWriter) {
        writer.line()
        writer.comment(message.documentation.isEmpty ? ["`\(message.fullName)`"] : message.documentation)
        writer.block("export interface \(message.name)") {
            for field in message.fields {
                $0.comment(field.documentation)
                $0.line("\(field.typeScriptName)\(field.hasPresence ? "?" : ""): \(field.typeScriptType);")
            }
        }
    }

    private func encoder(_ message: MessageTypeModel, _ writer: inout CodeWriter) {
        writer.line()
        writer.comment(["Writes the fields that are set and not at their default, in order of their numbers."])
        let parameters =
            message.fields.isEmpty
            ? "_message: \(message.name), _writer: Writer" : "message: Partial<\(message.name)>, writer: Writer"
        writer.block("export function encode\(message.name)(\(parameters)): void") {
            for field in message.fields { encode(field, &$0) }
        }
    }

    private func encode(_ field: MessageTypeModel.Field, _ writer: inout CodeWriter) {
        let value = "message.\(field.typeScriptName)"
        let tag = field.tag
        if field.repeated {
            writer.block("for (const element of \(value) ?? [])") {
                switch field.kind {
                case .message(let type): Self.nested(type, tag, "element", &$0)
                default: $0.line("writer.text(\(tag), element, \"\(field.name)\");")
                }
            }
            return
        }
        let isSet = field.hasPresence ? "\(value) !== undefined" : "\(value)"
        switch field.kind {
        case .message(let type): writer.block("if (\(isSet))") { Self.nested(type, tag, value, &$0) }
        case .mapStringString: writer.line("if (\(value)) writer.texts(\(tag), \(value), \"\(field.name)\");")
        case .bytes where !field.hasPresence: writer.line("if (\(value)?.length) writer.bytes(\(tag), \(value));")
        case .string: writer.line("if (\(isSet)) writer.text(\(tag), \(value), \"\(field.name)\");")
        case .bytes: writer.line("if (\(isSet)) writer.bytes(\(tag), \(value));")
        case .uint32, .enum: writer.line("if (\(isSet)) writer.uint32(\(tag), \(value), \"\(field.name)\");")
        case .uint64: writer.line("if (\(isSet)) writer.uint64(\(tag), \(value), \"\(field.name)\");")
        case .bool: writer.line("if (\(isSet)) writer.bool(\(tag), \(value));")
        }
    }

    private static func nested(_ type: String, _ tag: String, _ value: String, _ writer: inout CodeWriter) {
        writer.line("const start = writer.begin(\(tag));")
        writer.line("encode\(type)(\(value), writer);")
        writer.line("writer.end(start);")
    }

    private func decoder(_ message: MessageTypeModel, _ writer: inout CodeWriter) {
        writer.line()
        writer.comment(["Reads to `end`; refuses what the protocol does not allow in a response."])
        writer.block("export function decode\(message.name)(reader: Reader, end: number): \(message.name)") {
            let counts = (message.hasSingular ? ["seen = 0"] : []) + (message.hasElements ? ["elements = 0"] : [])
            $0.line("let \((counts + ["unknown = 0"]).joined(separator: ", "));")
            for field in message.fields { $0.line(field.declaration) }
            $0.nest("while (reader.at < end) {", "}") {
                $0.line("const tag = reader.tag(end);")
                $0.nest("switch (tag) {", "}") {
                    for field in message.fields { decode(field, &$0) }
                    $0.line("default:")
                    $0.line("    unknown = reader.unknown(tag, end, \(message.knownMask), unknown);")
                }
            }
            $0.line(
                "return { \(message.fields.map(\.typeScriptName).joined(separator: ", ")) };"
                    .replacingDoubleSpace())
        }
    }

    private func decode(_ field: MessageTypeModel.Field, _ writer: inout CodeWriter) {
        let name = field.typeScriptName
        writer.nest("case \(field.tag):", "    break;") {
            if field.isElement {
                $0.line("elements = reader.element(elements);")
            } else {
                $0.line("seen = reader.once(seen, \(field.seenMask));")
            }
            switch (field.kind, field.repeated) {
            case (.message(let type), true): $0.line("\(name).push(decode\(type)(reader, reader.delimited(end)));")
            case (_, true): $0.line("\(name).push(reader.text(end));")
            case (.message(let type), _): $0.line("\(name) = decode\(type)(reader, reader.delimited(end));")
            case (.mapStringString, _): $0.line("\(name) = reader.entry(\(name), end);")
            case (.string, _): $0.line("\(name) = reader.text(end);")
            case (.bytes, _): $0.line("\(name) = reader.bytes(end);")
            case (.uint32, _): $0.line("\(name) = reader.uint32(end);")
            case (.uint64, _): $0.line("\(name) = reader.uint64(end);")
            case (.bool, _): $0.line("\(name) = reader.bool(end);")
            case (.enum, _): $0.line("\(name) = reader.enumeration(end);")
            }
        }
    }

    private func registry(_ file: TypeFileModel, _ writer: inout CodeWriter) {
        writer.line()
        writer.comment(["The messages of this file, by full name."])
        writer.nest("export const messages: Record<string, MessageType> = {", "};") {
            for message in file.messages {
                $0.line("\"\(message.fullName)\": { encode: encode\(message.name), decode: decode\(message.name) },")
            }
        }
    }
}

extension MessageTypeModel {
    fileprivate var hasSingular: Bool { fields.contains { !$0.isElement } }
    fileprivate var hasElements: Bool { fields.contains { $0.isElement } }

    /// A bit for each field's number.
    fileprivate var knownMask: String { mask(fields.map(\.number)) }
}

extension MessageTypeModel.Field {
    fileprivate var typeScriptName: String { lowerCamelCase(name) }

    /// Counts toward the elements of its message.
    fileprivate var isElement: Bool { repeated || kind == .mapStringString }

    /// Setting one member of a `oneof` excludes the others.
    fileprivate var seenMask: String { mask(alternatives.isEmpty ? [number] : alternatives) }

    fileprivate var tag: String {
        let wireType: Int32 =
            switch kind {
            case .uint32, .uint64, .bool, .enum: 0
            default: 2
            }
        return hexadecimalLiteral(UInt32(number << 3 | wireType))
    }

    fileprivate var typeScriptType: String {
        let type =
            switch kind {
            case .string: "string"
            case .bytes: "Uint8Array"
            case .uint32: "number"
            case .uint64: "UInt64"
            case .bool: "boolean"
            case .mapStringString: "Readonly<Record<string, string>>"
            case .message(let name), .enum(let name): name
            }
        return repeated ? "\(type)[]" : type
    }

    /// What it is until the field has come.
    fileprivate var declaration: String {
        let head = repeated ? "const" : "let"
        if hasPresence { return "\(head) \(typeScriptName): \(typeScriptType) | undefined;" }
        let value =
            switch kind {
            case _ where repeated: "[]"
            case .string: "\"\""
            case .bytes: "NO_BYTES"
            case .bool: "false"
            case .mapStringString: "NO_TEXTS"
            default: "0"
            }
        return "\(head) \(typeScriptName): \(typeScriptType) = \(value);"
    }
}

/// `user_id` to `userId`.
func lowerCamelCase(_ name: String) -> String {
    let parts = name.split(separator: "_")
    return parts.enumerated().map { $0 == 0 ? String($1) : $1.prefix(1).uppercased() + $1.dropFirst() }.joined()
}

private func mask(_ numbers: [Int32]) -> String {
    hexadecimalLiteral(numbers.reduce(0) { $0 | 1 << UInt32($1) })
}

private func hexadecimalLiteral(_ value: UInt32) -> String {
    let digits = String(value, radix: 16)
    return "0x" + (digits.count % 2 == 1 ? "0" : "") + digits
}

extension String {
    /// `return {  };` of a message without fields becomes `return {};`.
    fileprivate func replacingDoubleSpace() -> String { self == "return {  };" ? "return {};" : self }
}

extension CodeWriter {
    /// Adds a comment that editors show; nothing for no lines.
    mutating func comment(_ lines: [String]) {
        let safe = lines.map { $0.split(separator: "*/", omittingEmptySubsequences: false).joined(separator: "* /") }
        guard let first = safe.first else { return }
        if safe.count == 1 { return line("/** \(first) */") }
        line("/**")
        for text in safe { line(text.isEmpty ? " *" : " * \(text)") }
        line(" */")
    }
}
