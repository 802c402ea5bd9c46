import SwiftProtobuf
package import SwiftProtobufPluginLibrary

/// The first stage: descriptors to our model, with everything refused that the
/// wire or the server could not carry.
package struct ModelReader {
    private let namer = SwiftProtobufNamer()
    private var ids: MethodIDRegistry

    package init() { ids = MethodIDRegistry() }

    init(ids: MethodIDRegistry) { self.ids = ids }

    /// - Parameter files: all files of the run, so that ids are compared across them.
    /// - Throws: `GenerationError` naming the place: proto2, a streamed request,
    ///   two methods with one id, a recursive message, or a request field that
    ///   the server's scan does not know.
    package mutating func read(_ files: [FileDescriptor]) throws(GenerationError) -> [FileModel] {
        var scan = ScanModelReader(namer: namer)
        for file in files {
            try Self.requireProto3(file)
            for method in file.services.flatMap(\.methods) {
                try scan.add(request: method.inputType)
                try scan.check(response: method.outputType)
            }
        }
        var models: [FileModel] = []
        for file in files {
            var services: [ServiceModel] = []
            for service in file.services { services.append(try read(service)) }
            models.append(
                FileModel(
                    path: file.name, services: services,
                    scannedMessages: scan.messages(definedIn: file)))
        }
        try scan.requireGenerated(files)
        return models
    }

    static func requireProto3(_ file: FileDescriptor) throws(GenerationError) {
        guard file.edition == .proto3 else {
            throw GenerationError(
                file.name, "is not proto3, and other syntaxes are not supported; say syntax = \"proto3\"")
        }
    }

    private mutating func read(_ service: ServiceDescriptor) throws(GenerationError) -> ServiceModel {
        let prefix = namer.typePrefix(forFile: service.file)
        var methods: [MethodModel] = []
        for method in service.methods { methods.append(try read(method)) }
        return ServiceModel(
            name: service.name, fullName: service.fullName, swiftName: prefix + service.name,
            cDescriptor: CNames.descriptor(service.fullName),
            documentation: Self.documentation(service), methods: methods)
    }

    private mutating func read(_ method: MethodDescriptor) throws(GenerationError) -> MethodModel {
        let fullName = "\(method.service.fullName)/\(method.name)"
        guard !method.clientStreaming else {
            throw GenerationError(
                fullName, "streams its requests, which the protocol does not carry; take one request")
        }
        return MethodModel(
            name: method.name, fullName: fullName,
            swiftName: Self.functionName(method.name), id: try ids.id(for: fullName),
            documentation: Self.documentation(method),
            request: TypeNames(method.inputType, namer), response: TypeNames(method.outputType, namer),
            streamsResponse: method.serverStreaming)
    }

    /// Those that a method could be called by and Swift keeps for itself.
    private static let keywords: Set<String> = [
        "as", "break", "case", "catch", "class", "continue", "default", "defer", "deinit", "do", "else",
        "enum", "extension", "fallthrough", "false", "for", "func", "guard", "if", "import", "in", "init",
        "inout", "internal", "is", "let", "nil", "operator", "precedencegroup", "private", "protocol",
        "public", "repeat", "return", "self", "static", "struct", "subscript", "super", "switch", "throw",
        "true", "try", "typealias", "var", "where", "while",
    ]

    private static func functionName(_ method: String) -> String {
        let name = NamingUtils.toLowerCamelCase(method)
        return keywords.contains(name) ? "`\(name)`" : name
    }

    /// The comment above a declaration, without markers and outer blank lines.
    static func documentation(_ source: some ProvidesSourceCodeLocation) -> [String] {
        var lines = source.protoSourceComments(commentPrefix: "")
            .split(separator: "\n", omittingEmptySubsequences: false)
            .map { String($0.hasPrefix(" ") ? $0.dropFirst() : $0) }
        while lines.last == "" { lines.removeLast() }
        return lines
    }
}

extension TypeNames {
    init(_ message: Descriptor, _ namer: SwiftProtobufNamer) {
        self.init(
            proto: message.fullName, swift: namer.fullName(message: message),
            c: CNames.type(message.fullName),
            schema: String(message.fullName.map { $0 == "." ? "_" : $0 }))
    }
}
