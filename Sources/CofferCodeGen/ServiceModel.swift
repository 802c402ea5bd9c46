/// A .proto file as the renderers need it.
package struct FileModel: Equatable {
    /// The path that protoc knows the file by, for instance `coffer/v1/admin.proto`.
    package let path: String
    package let services: [ServiceModel]
    /// The messages of this file that requests reach, each before those that
    /// hold it: what the server scans.
    package let scannedMessages: [MessageModel]
}

/// A service of a .proto file.
package struct ServiceModel: Equatable {
    /// As in the file, for instance `Credentials`.
    package let name: String
    /// With the package, for instance `coffer.v1.Credentials`.
    package let fullName: String
    /// The name in Swift beside swift-protobuf's, for instance `Coffer_V1_Credentials`.
    package let swiftName: String
    /// protobuf-c's descriptor, for instance `coffer__v1__credentials__descriptor`.
    package let cDescriptor: String
    /// The comment above it, a line each, without markers.
    package let documentation: [String]
    package let methods: [MethodModel]
}

/// A method of a service. Its requests are never streamed.
package struct MethodModel: Equatable {
    /// As in the file, for instance `GetMany`.
    package let name: String
    /// For instance `coffer.v1.Credentials/GetMany`.
    package let fullName: String
    /// For instance `getMany`.
    package let swiftName: String
    /// FNV-1a of the full name.
    package let id: UInt32
    package let documentation: [String]
    package let request: TypeNames
    package let response: TypeNames
    package let streamsResponse: Bool
}

/// What each language calls a message type.
package struct TypeNames: Equatable {
    /// `coffer.v1.GetRequest`
    package let proto: String
    /// `Coffer_V1_GetRequest`, by swift-protobuf
    package let swift: String
    /// `Coffer__V1__GetRequest`, by protobuf-c
    package let c: String
    /// `coffer_v1_GetRequest`, the property of `MessageSchema`
    package let schema: String
}
