import SwiftProtobuf
package import SwiftProtobufPluginLibrary

/// The protoc plugin: descriptors to model to text, a file for each .proto file
/// that has something to say.
///
/// From `coffer/v1/NAME.proto`, `Side=client` makes `NAME.client.swift`, next to
/// protoc-gen-swift's `NAME.pb.swift`, `Side=server` makes `NAME.server.swift`, and
/// `Side=typescript` makes `NAME.ts`, which needs no other generator.
package struct CofferGenerator: CodeGenerator {
    package init() {}

    package var supportedFeatures: [Google_Protobuf_Compiler_CodeGeneratorResponse.Feature] {
        // So that our own message about proto3 optional is the one that is read.
        [.proto3Optional]
    }

    package func generate(
        files: [FileDescriptor], parameter: any CodeGeneratorParameter,
        protoCompilerContext: any ProtoCompilerContext, generatorOutputs: any GeneratorOutputs
    ) throws {
        let options = try GeneratorOptions(parameter.parsedPairs)
        var reader = ModelReader()
        for (descriptor, file) in zip(files, try reader.read(files)) {
            let base = Self.baseName(file.path)
            switch options.side {
            case .client where !file.services.isEmpty:
                try generatorOutputs.add(
                    fileName: "\(base).client.swift",
                    contents: ClientRenderer(visibility: options.visibility).render(file))
            case .server where !file.services.isEmpty || !file.scannedMessages.isEmpty:
                try generatorOutputs.add(
                    fileName: "\(base).server.swift",
                    contents: ServerRenderer(visibility: options.visibility).render(file))
            case .typescript:
                try generatorOutputs.add(
                    fileName: "\(base).ts",
                    contents: TypeScriptRenderer().render(
                        try TypeReader().read(descriptor), services: file.services, package: descriptor.package))
            default: break
            }
        }
    }

    /// `coffer/v1/admin.proto` to `admin`.
    static func baseName(_ path: String) -> String {
        let name = path.split(separator: "/").last ?? ""
        return String(name.hasSuffix(".proto") ? name.dropLast(6) : name)
    }
}
