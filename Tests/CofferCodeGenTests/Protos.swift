import FoundationEssentials
import SwiftProtobuf
import SwiftProtobufPluginLibrary

/// Descriptors as protoc makes them, so that no test needs protoc.
enum Protos {
    typealias File = Google_Protobuf_FileDescriptorProto
    typealias Message = Google_Protobuf_DescriptorProto
    typealias Field = Google_Protobuf_FieldDescriptorProto

    /// The repository's own .proto files, with comments; written by proto/generate.sh.
    static func coffer() throws -> [File] {
        let url = root.appending(path: "Tests/CofferCodeGenTests/Fixtures/coffer.v1.descriptors")
        return try Google_Protobuf_FileDescriptorSet(serializedBytes: Data(contentsOf: url)).file
    }

    static func text(_ path: String) throws -> String {
        try String(decoding: Data(contentsOf: root.appending(path: path)), as: UTF8.self)
    }

    private static var root: URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
    }

    /// `t.proto` of package `t.v1` with a service `Things` of one method
    /// `Do(Request) returns (Response)`; `Request` has the fields given.
    static func file(_ fields: Field..., change: (inout File) -> Void = { _ in }) -> File {
        var file = File.with {
            $0.name = "t.proto"
            $0.package = "t.v1"
            $0.syntax = "proto3"
            $0.messageType = [
                message("Request", fields),
                message("Response", [field("text", 1, .string)]),
            ]
            $0.service = [
                .with {
                    $0.name = "Things"
                    $0.method = [method("Do")]
                }
            ]
        }
        change(&file)
        return file
    }

    static func message(_ name: String, _ fields: [Field]) -> Message {
        .with {
            $0.name = name
            $0.field = fields
        }
    }

    static func method(_ name: String) -> Google_Protobuf_MethodDescriptorProto {
        .with {
            $0.name = name
            $0.inputType = ".t.v1.Request"
            $0.outputType = ".t.v1.Response"
        }
    }

    static func field(
        _ name: String, _ number: Int32, _ type: Field.TypeEnum, of typeName: String = "",
        repeated: Bool = false
    ) -> Field {
        .with {
            $0.name = name
            $0.number = number
            $0.jsonName = name
            $0.type = type
            $0.label = repeated ? .repeated : .optional
            if !typeName.isEmpty { $0.typeName = typeName }
        }
    }
}
