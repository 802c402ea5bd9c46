/// The last stage for the daemon: for each service its methods by id, a handler
/// protocol and the dispatcher, over protobuf-c's messages; and the schemas by
/// which the strict scan reads the requests.
package struct ServerRenderer {
    private let visibility: String

    package init(visibility: GeneratorOptions.Visibility) { self.visibility = visibility.rawValue }

    /// The text of one file.
    package func render(_ file: FileModel) -> String {
        var writer = CodeWriter()
        writer.fileHead(source: file.path)
        if !file.services.isEmpty {
            writer.line("import CProtobufC")
            writer.line("\(visibility) import CofferCore")
            writer.line("\(visibility) import CofferMessages")
        }
        writer.line("\(visibility) import CofferWire")
        for service in file.services {
            writer.line()
            methods(service, &writer)
            writer.line()
            handler(service, &writer)
            writer.line()
            dispatcher(service, &writer)
        }
        if !file.scannedMessages.isEmpty {
            writer.line()
            schemas(file.scannedMessages, &writer)
        }
        return writer.text
    }

    private func methods(_ service: ServiceModel, _ writer: inout CodeWriter) {
        writer.line("/// The methods of `\(service.fullName)`; the raw value is the id in a frame.")
        writer.block("\(visibility) enum \(service.name)Method: UInt32, CaseIterable, Sendable") {
            for method in service.methods {
                $0.line("case \(method.swiftName) = \(hexadecimal(method.id))")
            }
            $0.line()
            $0.line("/// For instance `\(service.methods.first?.fullName ?? service.fullName)`.")
            $0.block("\(visibility) var fullName: String") {
                $0.line("switch self {")
                for method in service.methods {
                    $0.line("case .\(method.swiftName): \"\(method.fullName)\"")
                }
                $0.line("}")
            }
            $0.line()
            $0.line("/// Whether a call may have more than one response.")
            $0.block("\(visibility) var streamsResponse: Bool") {
                $0.line("switch self {")
                for method in service.methods {
                    $0.line("case .\(method.swiftName): \(method.streamsResponse)")
                }
                $0.line("}")
            }
        }
    }

    private func handler(_ service: ServiceModel, _ writer: inout CodeWriter) {
        writer.line("/// Takes the calls of `\(service.fullName)`.")
        writer.line("///")
        writer.line("/// A request lives until its arena is reset. What a method throws is the")
        writer.line("/// call's answer; otherwise it returns what it has made of the call.")
        writer.block("\(visibility) protocol \(service.name)Handler") {
            $0.line("/// What a method knows of its call beside the request, and adds to it.")
            $0.line("associatedtype Call")
            $0.line("/// What a method has made of its call.")
            $0.line("associatedtype Handled")
            for method in service.methods {
                $0.line()
                $0.documentation(method.documentation)
                $0.line("func \(method.swiftName)(")
                $0.line("    _ request: UnsafePointer<\(method.request.c)>, _ call: inout Call")
                $0.line(") throws(Failure) -> Handled")
            }
        }
    }

    private func dispatcher(_ service: ServiceModel, _ writer: inout CodeWriter) {
        writer.block("extension \(service.name)Handler") {
            $0.line("/// Scans the payload strictly, decodes it on the arena, and calls the method.")
            $0.line("///")
            $0.line("/// - Throws: why the payload is refused, or what the method throws.")
            $0.line("\(visibility) func dispatch(")
            $0.line("    _ method: \(service.name)Method, payload: UnsafeRawBufferPointer, arena: Arena, call: inout Call")
            $0.nest(") throws(Failure) -> Handled {", "}") {
                $0.line("// protobuf-c lists the methods in the order of the .proto file. Its pointers")
                $0.line("// are to constants; the address of an imported constant Swift does not give.")
                $0.line("let methods = \(service.cDescriptor).methods!")
                $0.line("switch method {")
                for (index, method) in service.methods.enumerated() {
                    $0.line("case .\(method.swiftName):")
                    $0.line("    let request = try arena.decode(")
                    $0.line("        payload, schema: .\(method.request.schema), descriptor: methods[\(index)].input,")
                    $0.line("        as: \(method.request.c).self)")
                    $0.line("    return try \(method.swiftName)(request, &call)")
                }
                $0.line("}")
            }
        }
    }

    private func schemas(_ messages: [MessageModel], _ writer: inout CodeWriter) {
        writer.block("extension MessageSchema") {
            for (index, message) in messages.enumerated() {
                if index > 0 { $0.line() }
                $0.line("/// `\(message.names.proto)`")
                $0.nest("\(visibility) static let \(message.names.schema) = MessageSchema(", ")") {
                    $0.line("name: \"\(message.names.proto)\",")
                    guard !message.fields.isEmpty else { return $0.line("fields: []") }
                    $0.nest("fields: [", "]") {
                        for field in message.fields { $0.line(entry(field) + ",") }
                    }
                }
            }
        }
    }

    private func entry(_ field: FieldModel) -> String {
        let kind =
            switch field.kind {
            case .string: ".string"
            case .bytes: ".bytes"
            case .uint32: ".uint32"
            case .uint64: ".uint64"
            case .bool: ".bool"
            case .message(let names): ".message(.\(names.schema))"
            case .mapStringString: ".mapStringString"
            }
        return
            "Field(number: \(field.number), name: \"\(field.name)\", kind: \(kind), repeated: \(field.repeated), oneof: \(field.oneof))"
    }
}
