import SwiftProtobuf
import SwiftProtobufPluginLibrary
import Testing

@testable import CofferCodeGen

@Suite("TypeScript: descriptors in, a module out")
struct TypeScriptTests {
    private static func generate(_ protos: [Protos.File]) -> Google_Protobuf_Compiler_CodeGeneratorResponse {
        generateCode(
            request: .with {
                $0.protoFile = protos
                $0.fileToGenerate = protos.map(\.name)
                $0.parameter = "Side=typescript"
            }, generator: CofferGenerator())
    }

    /// The function `name` of the one file that comes out, without its head and end.
    private static func body(of name: String, _ protos: [Protos.File]) throws -> [String] {
        let response = generate(protos)
        #expect(response.error == "")
        let lines = try #require(response.file.first?.content).split(separator: "\n").map(String.init)
        let start = try #require(lines.firstIndex { $0.contains("function \(name)(") })
        return Array(lines[(start + 1)...].prefix { $0 != "}" })
    }

    private static let enumFile = Protos.file { file in
        file.enumType = [
            .with {
                $0.name = "PaintColor"
                $0.value = [
                    .with { $0.name = "PAINT_COLOR_UNSPECIFIED" },
                    .with {
                        $0.name = "RED"
                        $0.number = 7
                    },
                ]
            }
        ]
        file.messageType[1].field = [Protos.field("paint_color", 2, .enum, of: ".t.v1.PaintColor")]
    }

    @Test func valuesLoseTheNameOfTheirEnum() throws {
        let text = try #require(Self.generate([Self.enumFile]).file.first?.content)
        #expect(
            text.contains(
                """
                export const PaintColor = {
                    UNSPECIFIED: 0,
                    RED: 7,
                } as const;
                """))
        #expect(text.contains("    paintColor: PaintColor;\n"))
    }

    @Test func scalarsAtTheirDefaultAreLeftOut() throws {
        let file = Protos.file(
            Protos.field("user_id", 1, .string), Protos.field("secret", 2, .bytes), Protos.field("count", 3, .uint32),
            Protos.field("age_ms", 16, .uint64), Protos.field("all", 31, .bool))
        #expect(
            try Self.body(of: "encodeRequest", [file]) == [
                "    if (message.userId) writer.text(0x0a, message.userId, \"user_id\");",
                "    if (message.secret?.length) writer.bytes(0x12, message.secret);",
                "    if (message.count) writer.uint32(0x18, message.count, \"count\");",
                "    if (message.ageMs) writer.uint64(0x80, message.ageMs, \"age_ms\");",
                "    if (message.all) writer.bool(0xf8, message.all);",
            ])
    }

    @Test("A member of a oneof is sent when it is set, and excludes the others")
    func oneofs() throws {
        let file = Protos.file(Protos.field("a", 1, .uint32), Protos.field("b", 2, .string)) { file in
            file.messageType[0].oneofDecl = [.with { $0.name = "choice" }]
            for index in 0...1 { file.messageType[0].field[index].oneofIndex = 0 }
        }
        #expect(
            try Self.body(of: "encodeRequest", [file]) == [
                "    if (message.a !== undefined) writer.uint32(0x08, message.a, \"a\");",
                "    if (message.b !== undefined) writer.text(0x12, message.b, \"b\");",
            ])
        let decoder = try Self.body(of: "decodeRequest", [file])
        #expect(decoder.count { $0.contains("reader.once(seen, 0x06)") } == 2)
        #expect(decoder.contains("    let b: string | undefined;"))
    }

    @Test("Repeated and map fields count as elements, singular ones come once")
    func elements() throws {
        let file = Protos.file(
            Protos.field("names", 1, .string, repeated: true),
            Protos.field("nested", 3, .message, of: ".t.v1.Response", repeated: true),
            Protos.field("one", 4, .message, of: ".t.v1.Response"))
        let decoder = try Self.body(of: "decodeRequest", [file]).map { $0.trimmingPrefix { $0 == " " } }
        #expect(decoder.count { $0 == "elements = reader.element(elements);" } == 2)
        #expect(decoder.contains("nested.push(decodeResponse(reader, reader.delimited(end)));"))
        #expect(decoder.contains("seen = reader.once(seen, 0x10);"))
        #expect(decoder.contains("unknown = reader.unknown(tag, end, 0x1a, unknown);"))
    }

    @Test func messagesOfOtherFilesAreImported() throws {
        let response = Self.generate(try Protos.coffer())
        let admin = try #require(response.file.last?.content)
        #expect(
            admin.contains(
                """
                import type { Failure, Failure_Reason, Key } from "./credentials.js";
                import { decodeFailure, decodeKey, encodeFailure, encodeKey } from "./credentials.js";
                """))
    }

    @Test func aCommentCannotEndEarly() {
        var writer = CodeWriter()
        writer.comment(["a */ b"])
        #expect(writer.text == "/** a * / b */\n")
    }

    @Test(arguments: [
        (Protos.field("f", 1, .double), "double is not supported"),
        (Protos.field("f", 1, .uint32, repeated: true), "repeated uint32 is not supported"),
        (Protos.field("f", 32, .string), "field numbers go to 31, got 32"),
    ])
    func fieldsThatItDoesNotSupport(field: Protos.Field, problem: String) {
        let response = Self.generate([Protos.file { $0.messageType[1].field = [field] }])
        #expect(response.error.hasPrefix("t.v1.Response.f: \(problem)"), "\(response.error)")
        #expect(response.file.isEmpty)
    }
}
