import SwiftProtobuf
import SwiftProtobufPluginLibrary
import Testing

@testable import CofferCodeGen

@Suite("Descriptors to model")
struct ModelReaderTests {
    private static func read(
        _ protos: [Protos.File], ids: MethodIDRegistry = MethodIDRegistry()
    ) throws -> [FileModel] {
        var reader = ModelReader(ids: ids)
        return try reader.read(DescriptorSet(protos: protos).files)
    }

    @Test func ourServices() throws {
        let files = try Self.read(Protos.coffer())
        #expect(files.map(\.path) == ["coffer/v1/credentials.proto", "coffer/v1/admin.proto"])
        let credentials = try #require(files.first?.services.first)
        #expect(credentials.swiftName == "Coffer_V1_Credentials")
        #expect(credentials.cDescriptor == "coffer__v1__credentials__descriptor")
        #expect(credentials.methods.map(\.swiftName) == ["store", "get", "delete", "getMany", "list", "ping"])
        #expect(credentials.methods.map(\.streamsResponse) == [false, false, false, true, false, false])
        #expect(credentials.methods[2].documentation == [
            "Removes the credential. Deleting what is not there is OK."
        ])
        #expect(credentials.methods[1].request == TypeNames(
            proto: "coffer.v1.GetRequest", swift: "Coffer_V1_GetRequest", c: "Coffer__V1__GetRequest",
            schema: "coffer_v1_GetRequest"))
    }

    @Test("Only what requests reach is scanned, each message before those that hold it")
    func scannedMessages() throws {
        let files = try Self.read(Protos.coffer())
        #expect(files.map { $0.scannedMessages.map(\.names.proto) } == [
            [
                "coffer.v1.StoreRequest", "coffer.v1.GetRequest", "coffer.v1.DeleteRequest",
                "coffer.v1.Key", "coffer.v1.GetManyRequest", "coffer.v1.ListRequest", "coffer.v1.PingRequest",
            ],
            ["coffer.v1.HealthRequest", "coffer.v1.StatsRequest", "coffer.v1.InvalidateRequest", "coffer.v1.DoctorRequest"],
        ])
        let store = try #require(files.first?.scannedMessages.first)
        #expect(store.fields.map(\.kind) == [
            .string, .string, .bytes, .uint32, .mapStringString, .string, .bool,
        ])
        #expect(store.fields.map(\.oneof) == [0, 0, 0, 0, 0, 1, 1])
        #expect(store.fields.map(\.repeated).allSatisfy { !$0 })
    }

    @Test("FNV-1a of 32 bits, by its published vectors", arguments: [
        ("", 0x811C_9DC5), ("a", 0xE40C_292C), ("foobar", 0xBF9C_F968),
        ("coffer.v1.Credentials/Get", 0xCCD8_38EC),
    ] as [(String, UInt32)])
    func ids(text: String, expected: UInt32) { #expect(methodID(text) == expected) }

    @Test(arguments: [
        ("coffer.v1.GetRequest", "Coffer__V1__GetRequest", "coffer__v1__get_request__descriptor"),
        ("a_b.C.D", "AB__C__D", "a_b__c__d__descriptor"),
        ("p.TTLRequest", "P__TTLRequest", "p__ttlrequest__descriptor"),
    ])
    func namesAsProtocCGivesThem(name: String, type: String, descriptor: String) {
        #expect(CNames.type(name) == type)
        #expect(CNames.descriptor(name) == descriptor)
    }

    // MARK: Refusals

    @Test(arguments: [
        (Protos.field("f", 1, .double), "fields of type double"),
        (Protos.field("f", 1, .int32), "fields of type int32"),
        (Protos.field("f", 1, .sint64), "fields of type sint64"),
        (Protos.field("f", 1, .enum, of: ".t.v1.Color"), "fields of type enum"),
        (Protos.field("f", 1, .uint32, repeated: true), "repeated uint32"),
        (Protos.field("f", 1, .group, of: ".t.v1.Response"), "groups are not supported"),
        (Protos.field("f", 32, .string), "go to 31, got 32"),
    ])
    func requestFieldsThatTheScanDoesNotKnow(field: Protos.Field, problem: String) throws {
        let file = Protos.file(field) {
            $0.enumType = [
                .with {
                    $0.name = "Color"
                    $0.value = [.with { $0.name = "COLOR_UNSPECIFIED" }]
                }
            ]
        }
        let error = #expect(throws: GenerationError.self) { try Self.read([file]) }
        #expect(error?.place == "t.v1.Request.f")
        #expect(error?.problem.contains(problem) == true, "\(error?.problem ?? "")")
    }

    @Test func responsesMayHoldWhatRequestsMayNot() throws {
        let file = Protos.file { $0.messageType[1].field = [Protos.field("f", 99, .double)] }
        #expect(try Self.read([file]).count == 1)
    }

    @Test func mapsOfOtherThanText() throws {
        let file = Protos.file(Protos.field("m", 1, .message, of: ".t.v1.Request.MEntry", repeated: true)) {
            var entry = Protos.message(
                "MEntry", [Protos.field("key", 1, .string), Protos.field("value", 2, .uint32)])
            entry.options.mapEntry = true
            $0.messageType[0].nestedType = [entry]
        }
        let error = #expect(throws: GenerationError.self) { try Self.read([file]) }
        #expect(error?.description.hasPrefix("t.v1.Request.m: maps in requests") == true)
    }

    @Test func optionalKeyword() throws {
        var field = Protos.field("o", 1, .string)
        field.proto3Optional = true
        field.oneofIndex = 0
        let file = Protos.file(field) { $0.messageType[0].oneofDecl = [.with { $0.name = "_o" }] }
        let error = #expect(throws: GenerationError.self) { try Self.read([file]) }
        #expect(error?.problem.hasPrefix("proto3 optional") == true)
    }

    @Test("A message that holds itself, in a request or in a response", arguments: [0, 1])
    func recursion(message: Int) throws {
        let file = Protos.file { file in
            let name = file.messageType[message].name
            file.messageType.append(
                Protos.message("Middle", [Protos.field("back", 1, .message, of: ".t.v1.\(name)")]))
            file.messageType[message].field = [Protos.field("middle", 1, .message, of: ".t.v1.Middle")]
        }
        let error = #expect(throws: GenerationError.self) { try Self.read([file]) }
        #expect(error?.problem.contains("> t.v1.Middle > ") == true)
    }

    @Test func otherSyntaxes() throws {
        let file = Protos.file { $0.clearSyntax() }
        let error = #expect(throws: GenerationError.self) { try Self.read([file]) }
        #expect(error?.place == "t.proto")
    }

    @Test func streamedRequests() throws {
        let file = Protos.file { $0.service[0].method[0].clientStreaming = true }
        let error = #expect(throws: GenerationError.self) { try Self.read([file]) }
        #expect(error?.place == "t.v1.Things/Do")
    }

    @Test("Two methods with one id, also of different services")
    func collision() throws {
        let file = Protos.file { file in
            file.service.append(
                .with {
                    $0.name = "Others"
                    $0.method = [Protos.method("Undo")]
                })
        }
        #expect(try Self.read([file]).first?.services.count == 2)
        let error = #expect(throws: GenerationError.self) {
            try Self.read([file], ids: MethodIDRegistry { _ in 7 })
        }
        #expect(
            error?.description
                == "t.v1.Others/Undo: has the same method id as t.v1.Things/Do, 0x0000_0007; rename one of them")
    }

    @Test("A request's message from a file that is not generated in the run")
    func missingFile() throws {
        let other = Protos.File.with {
            $0.name = "o.proto"
            $0.package = "o"
            $0.syntax = "proto3"
            $0.messageType = [Protos.message("Other", [])]
        }
        let file = Protos.file(Protos.field("f", 1, .message, of: ".o.Other")) { $0.dependency = ["o.proto"] }
        let set = DescriptorSet(protos: [other, file])
        var reader = ModelReader()
        let error = #expect(throws: GenerationError.self) { try reader.read([set.files[1]]) }
        #expect(error?.description.hasPrefix("o.Other: is defined in o.proto") == true)
    }
}
