// swift-tools-version:6.2

import PackageDescription

/// Every Swift target is built with these.
let base: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// For targets that must not touch raw memory: the compiler refuses it.
let safe: [SwiftSetting] =
    base + [.strictMemorySafety(), .treatWarning("StrictMemorySafety", as: .error)]

let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let protobufPlugin: Target.Dependency = .product(
    name: "SwiftProtobufPluginLibrary", package: "swift-protobuf")
let client: Target.Dependency = .product(name: "Coffer", package: "swift")

let package = Package(
    name: "coffer",
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
        .package(path: "clients/swift"),
    ],
    targets: [
        // C, without unsafe Swift above it.
        .target(name: "CLinux"),
        .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(name: "CofferMessages", dependencies: ["CProtobufC"]),

        // Libraries, each importing only what stands above it here.
        .target(name: "CofferCore", dependencies: ["CLinux"], swiftSettings: base),
        .target(
            name: "CofferWire", dependencies: ["CofferCore", "CofferMessages", "CProtobufC", "CLinux"],
            swiftSettings: base),
        .target(name: "CofferCache", dependencies: ["CofferCore"], swiftSettings: safe),
        .target(name: "CofferAccess", swiftSettings: safe),
        .target(name: "CofferVault", dependencies: ["CofferCore"], swiftSettings: safe),

        .target(
            name: "CofferServer", dependencies: ["CofferCore", "CofferWire", "CofferMessages", "CProtobufC"],
            swiftSettings: base),

        // The code generator: a plugin of protoc, run by proto/generate.sh.
        .target(name: "CofferCodeGen", dependencies: [protobuf, protobufPlugin], swiftSettings: safe),
        .executableTarget(
            name: "protoc-gen-coffer", dependencies: ["CofferCodeGen", protobufPlugin], swiftSettings: safe),

        // Tests.
        .testTarget(name: "CofferCoreTests", dependencies: ["CofferCore"], swiftSettings: base),
        .testTarget(
            name: "CofferCodeGenTests", dependencies: ["CofferCodeGen", protobuf, protobufPlugin],
            exclude: ["Fixtures"], swiftSettings: base),
        .testTarget(
            name: "CofferServerDispatchTests",
            dependencies: ["CofferServer", "CofferCore", "CofferWire", "CofferMessages"], swiftSettings: base),
    ],
    swiftLanguageModes: [.v6]
)
