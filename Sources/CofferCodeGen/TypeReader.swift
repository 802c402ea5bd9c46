import SwiftProtobuf
package import SwiftProtobufPluginLibrary

/// Descriptors to the model of types, with what no renderer of types supports refused.
package struct TypeReader {
    package init() {}

    /// - Throws: `GenerationError` naming the place: a field whose type, or whose
    ///   number over 31, generated code does not support.
    package func read(_ file: FileDescriptor) throws(GenerationError) -> TypeFileModel {
        try ModelReader.requireProto3(file)
        var enums = file.enums.map(Self.model)
        var messages: [MessageTypeModel] = []
        for message in file.messages { try collect(message, &messages, &enums) }
        return TypeFileModel(path: file.name, enums: enums, messages: messages, imports: Self.imports(of: file))
    }

    /// `coffer.v1.Failure.Reason` to `Failure_Reason`.
    static func localName(_ fullName: String, in file: FileDescriptor) -> String {
        let prefix = file.package.isEmpty ? "" : file.package + "."
        let name = fullName.hasPrefix(prefix) ? fullName.dropFirst(prefix.count) : fullName[...]
        return String(name.map { $0 == "." ? "_" : $0 })
    }

    private func collect(
        _ message: Descriptor, _ messages: inout [MessageTypeModel], _ enums: inout [EnumModel]
    ) throws(GenerationError) {
        guard !message.options.mapEntry else { return }
        enums += message.enums.map(Self.model)
        for nested in message.messages { try collect(nested, &messages, &enums) }
        var fields: [MessageTypeModel.Field] = []
        for field in message.fields.sorted(by: { $0.number < $1.number }) { fields.append(try read(field)) }
        messages.append(
            MessageTypeModel(
                name: Self.localName(message.fullName, in: message.file), fullName: message.fullName,
                documentation: ModelReader.documentation(message), fields: fields))
    }

    private func read(_ field: FieldDescriptor) throws(GenerationError) -> MessageTypeModel.Field {
        let place = "\(field.containingType.fullName).\(field.name)"
        guard field.number <= FieldModel.maximumNumber else {
            throw GenerationError(
                place, "field numbers go to \(FieldModel.maximumNumber), got \(field.number); use a lower one")
        }
        guard let kind = Self.kind(of: field) else {
            throw GenerationError(
                place,
                "\(field.isRepeated ? "repeated " : "")\(field.type) is not supported; use string, bytes, uint32, uint64, bool, an enum, messages, repeated text or map<string, string>"
            )
        }
        return MessageTypeModel.Field(
            number: field.number, name: field.name, kind: kind,
            repeated: field.isRepeated && kind != .mapStringString,
            alternatives: field.realContainingOneof?.fields.map(\.number) ?? [],
            documentation: ModelReader.documentation(field))
    }

    private static func kind(of field: FieldDescriptor) -> MessageTypeModel.Field.Kind? {
        if field.isMap {
            guard let (key, value) = field.messageType.mapKeyAndValue, key.type == .string, value.type == .string
            else { return nil }
            return .mapStringString
        }
        switch field.type {
        case .string: return .string
        case .message: return .message(localName(field.messageType.fullName, in: field.messageType.file))
        case .bytes where !field.isRepeated: return .bytes
        case .uint32 where !field.isRepeated: return .uint32
        case .uint64 where !field.isRepeated: return .uint64
        case .bool where !field.isRepeated: return .bool
        case .enum where !field.isRepeated:
            return .enum(localName(field.enumType.fullName, in: field.enumType.file))
        default: return nil
        }
    }

    private static func model(_ type: EnumDescriptor) -> EnumModel {
        let prefix =
            type.name.reduce(into: "") { result, character in
                if character.isUppercase && !result.isEmpty { result += "_" }
                result += character.uppercased()
            } + "_"
        return EnumModel(
            name: localName(type.fullName, in: type.file), documentation: ModelReader.documentation(type),
            values: type.values.map { value in
                EnumModel.Value(
                    name: value.name.hasPrefix(prefix) ? String(value.name.dropFirst(prefix.count)) : value.name,
                    number: value.number, documentation: ModelReader.documentation(value))
            })
    }

    private static func imports(of file: FileDescriptor) -> [ImportModel] {
        var messages: [String: Set<String>] = [:]
        var enums: [String: Set<String>] = [:]
        for field in file.messages.flatMap(allFields) where !field.isMap {
            if field.type == .message, let type = field.messageType, type.file !== file {
                let other = CofferGenerator.baseName(type.file.name)
                messages[other, default: []].insert(localName(type.fullName, in: type.file))
            } else if field.type == .enum, let type = field.enumType, type.file !== file {
                let other = CofferGenerator.baseName(type.file.name)
                enums[other, default: []].insert(localName(type.fullName, in: type.file))
            }
        }
        return Set(messages.keys).union(enums.keys).sorted().map {
            ImportModel(file: $0, messages: messages[$0, default: []].sorted(), enums: enums[$0, default: []].sorted())
        }
    }

    private static func allFields(_ message: Descriptor) -> [FieldDescriptor] {
        message.fields + message.messages.filter { !$0.options.mapEntry }.flatMap(allFields)
    }
}
