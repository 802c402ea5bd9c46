import SwiftProtobuf
import SwiftProtobufPluginLibrary

/// Collects the messages that requests reach, as the server's scan wants them.
struct ScanModelReader {
    let namer: SwiftProtobufNamer
    /// Each after those it holds.
    private var collected: [(file: FileDescriptor, message: MessageModel)] = []
    private var finished: Set<String> = []
    /// From the request down to the message being read.
    private var path: [String] = []

    init(namer: SwiftProtobufNamer) { self.namer = namer }

    /// Adds a request message and all that it holds.
    mutating func add(request message: Descriptor) throws(GenerationError) {
        guard !finished.contains(message.fullName) else { return }
        try enter(message)
        var fields: [FieldModel] = []
        for field in message.fields.sorted(by: { $0.number < $1.number }) {
            fields.append(try read(field))
        }
        path.removeLast()
        finished.insert(message.fullName)
        collected.append((message.file, MessageModel(names: TypeNames(message, namer), fields: fields)))
    }

    /// Responses are not scanned by the server; yet none may be recursive.
    mutating func check(response message: Descriptor) throws(GenerationError) {
        try enter(message)
        for field in message.fields where !field.isMap {
            if let nested = field.messageType { try check(response: nested) }
        }
        path.removeLast()
    }

    func messages(definedIn file: FileDescriptor) -> [MessageModel] {
        collected.filter { $0.file === file }.map(\.message)
    }

    /// A schema is written into the file made from the .proto file that defines
    /// its message, so that file has to be part of the run.
    func requireGenerated(_ files: [FileDescriptor]) throws(GenerationError) {
        for (file, message) in collected where !files.contains(where: { $0 === file }) {
            throw GenerationError(
                message.names.proto, "is defined in \(file.name), which is not generated in this run; pass it too")
        }
    }

    private mutating func enter(_ message: Descriptor) throws(GenerationError) {
        if path.contains(message.fullName) {
            throw GenerationError(
                message.fullName,
                "holds itself (\((path + [message.fullName]).joined(separator: " > "))); recursive messages are not supported, as decoders do not bound their depth"
            )
        }
        try ModelReader.requireProto3(message.file)
        path.append(message.fullName)
    }

    private mutating func read(_ field: FieldDescriptor) throws(GenerationError) -> FieldModel {
        let place = "\(field.containingType.fullName).\(field.name)"
        guard field.number <= FieldModel.maximumNumber else {
            throw GenerationError(
                place,
                "field numbers of requests go to \(FieldModel.maximumNumber), got \(field.number); use a lower one"
            )
        }
        if field.containingOneof != nil && field.realContainingOneof == nil {
            throw GenerationError(
                place, "proto3 optional is not supported by protoc-c 1.4; use a oneof of one field")
        }
        let kind = try kind(of: field, place)
        return FieldModel(
            number: field.number, name: field.name, kind: kind,
            repeated: field.isRepeated && kind != .mapStringString,
            oneof: field.realContainingOneof.map { $0.index + 1 } ?? 0)
    }

    private mutating func kind(
        of field: FieldDescriptor, _ place: String
    ) throws(GenerationError) -> FieldModel.Kind {
        if field.isMap {
            guard let (key, value) = field.messageType.mapKeyAndValue, key.type == .string,
                value.type == .string
            else {
                throw GenerationError(place, "maps in requests are map<string, string>; use a repeated message")
            }
            return .mapStringString
        }
        switch field.type {
        case .string: return .string
        case .bytes: return .bytes
        case .message:
            try add(request: field.messageType)
            return .message(TypeNames(field.messageType, namer))
        case .uint32 where !field.isRepeated: return .uint32
        case .uint64 where !field.isRepeated: return .uint64
        case .bool where !field.isRepeated: return .bool
        default:
            throw GenerationError(place, Self.unsupported(field))
        }
    }

    private static func unsupported(_ field: FieldDescriptor) -> String {
        let type = "\(field.type)"
        return switch field.type {
        case .group: "groups are not supported; use a message"
        case .uint32, .uint64, .bool: "repeated \(type) is not supported in requests; use a repeated message"
        default:
            "fields of type \(type) are not supported in requests; the server scans string, bytes, uint32, uint64, bool, messages and map<string, string>"
        }
    }
}
