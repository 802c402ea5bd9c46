// swift-tools-version:6.2

import PackageDescription

/// Every target is built with these.
let base: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")

let package = Package(
    name: "coffer-swift",
    products: [
        .library(name: "Coffer", targets: ["Coffer"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
    ],
    targets: [
        .target(name: "Coffer", dependencies: [protobuf], swiftSettings: base),
        .executableTarget(
            name: "coffer-ten-lines", dependencies: ["Coffer"], path: "examples/TenLines",
            swiftSettings: base),
        .executableTarget(
            name: "coffer-fork-probe", dependencies: ["Coffer"], path: "Tests/ForkProbe", swiftSettings: base),
        .testTarget(
            name: "CofferTests", dependencies: ["Coffer", "coffer-fork-probe", protobuf], swiftSettings: base),
    ],
    swiftLanguageModes: [.v6]
)
