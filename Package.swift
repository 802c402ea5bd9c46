// swift-tools-version:6.2

import Glibc
import PackageDescription

/// Tests/Fuzzing/fuzz.sh asks for the fuzzer instead of the tests that replay
/// its corpus: "service", or "all" to fuzz the configuration file too.
let fuzzer = Context.environment["COFFER_FUZZ"]

/// A megabyte less to read at a start. The C library understands it from 2.36 on, and a program
/// runs with the one that it was linked to, or a later one.
let packsRelocations: Bool = {
    var text = [CChar](repeating: 0, count: 32)
    _ = confstr(Int32(_CS_GNU_LIBC_VERSION), &text, text.count)
    let version = text.prefix { $0 != 0 }.map { Character(UnicodeScalar(UInt8($0))) }
        .split { !$0.isNumber }.compactMap { Int(String($0)) }
    return !version.lexicographicallyPrecedes([2, 36])
}()

/// Programs of a release have Swift's libraries in them: they run where there is no
/// Swift, start sooner and take less memory. The fuzzer has a runtime of its own.
let isSelfContained = BuildSettingCondition.when(configuration: .release)
let program: [LinkerSetting] =
    // LLVM's linker: GNU's warns of what is in Foundation. Nobody loads a program as a library,
    // so no symbol of it is exported, and what none of its parts needs is left out. The two
    // libraries are parts of FoundationEssentials that packages of others do not name.
    fuzzer == nil
    ? [
        .unsafeFlags(
            [
                "-static-stdlib", "-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-l_FoundationCollections",
                "-l_FoundationCShims",
            ] + (packsRelocations ? ["-Xlinker", "-z", "-Xlinker", "pack-relative-relocs"] : []), isSelfContained)
    ] : []
/// Objects name the libraries that a program of theirs needs.
let object: [SwiftSetting] = fuzzer == nil ? [.unsafeFlags(["-static-stdlib"], isSelfContained)] : []

/// Every Swift target is built with these. Those that other packages use have no others: a package that is named
/// by its version may have no unsafe flags in what is taken from it.
let portable: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]
let base: [SwiftSetting] = object + portable

/// For targets that must not touch raw memory: the compiler refuses it.
let safe: [SwiftSetting] =
    base + [.strictMemorySafety(), .treatWarning("StrictMemorySafety", as: .error)]

let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let protobuf: Target.Dependency = .product(name: "SwiftProtobuf", package: "swift-protobuf")
let protobufPlugin: Target.Dependency = .product(
    name: "SwiftProtobufPluginLibrary", package: "swift-protobuf")

/// What the fuzzer and the replay of its corpus call.
let fuzzed: [Target.Dependency] = [
    "CofferCore", "CofferWire", "CofferCrypto", "CofferCache", "CofferAccess", "CofferVault", "CofferServer",
    "CofferMessages", "CofferPolicyProbe", "CProtobufC", log,
]
let fuzzing: Target =
    switch fuzzer {
    case nil:
        .testTarget(
            name: "CofferFuzzReplayTests", dependencies: fuzzed + ["CofferDaemon"], path: "Tests/Fuzzing/Swift",
            exclude: ["Entry"], swiftSettings: base)
    case "all":
        .executableTarget(
            name: "coffer-fuzz", dependencies: fuzzed + ["CofferDaemon"], path: "Tests/Fuzzing/Swift",
            exclude: ["Replay", "Properties"], swiftSettings: base + [.define("COFFER_FUZZ_ALL")])
    default:
        .executableTarget(
            name: "coffer-fuzz", dependencies: fuzzed, path: "Tests/Fuzzing/Swift",
            exclude: ["Replay", "Properties", "Configuration"], swiftSettings: base)
    }

let package = Package(
    name: "coffer",
    products: [
        .library(name: "Coffer", targets: ["Coffer"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
    ],
    targets: [
        // C, without unsafe Swift above it.
        .target(name: "CLinux"),
        // The heap of a program that holds secrets: its memory is wiped when it is given back.
        .target(name: "CWipingHeap"),
        .systemLibrary(name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        // libcurl, which is loaded when a vault needs it and linked to nothing.
        .target(name: "CCurl"),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "CBaselines", linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(name: "CofferMessages", dependencies: ["CProtobufC"]),

        // Libraries, each importing only what stands above it here.
        .target(name: "CofferCore", dependencies: ["CLinux"], swiftSettings: base),
        // What a program is given and where it writes: for every program here.
        .target(name: "CofferProcess", dependencies: ["CLinux"], swiftSettings: base),
        .target(
            name: "CofferCommandLine", dependencies: ["CofferProcess", arguments], swiftSettings: safe),
        .target(
            name: "CofferWire", dependencies: ["CofferCore", "CofferMessages", "CProtobufC", "CLinux"],
            swiftSettings: base),
        .target(name: "CofferCache", dependencies: ["CofferCore"], swiftSettings: safe),
        .target(name: "CofferAccess", dependencies: ["CofferCore"], swiftSettings: safe),
        .target(
            name: "CofferCrypto", dependencies: ["CofferCore", "COpenSSL", "CLinux"], exclude: ["ENVELOPE.md"],
            swiftSettings: base),
        .target(
            name: "CofferVault", dependencies: ["CofferCore", "CofferCrypto"], swiftSettings: safe),
        .target(name: "CofferYAML", dependencies: ["CYAML"], swiftSettings: base),
        .target(
            name: "CofferPolicy", dependencies: ["CofferCore", "CofferProcess", "CofferAccess", "CofferYAML"],
            swiftSettings: safe),
        // libpq, which is loaded when a vault needs it and linked to nothing.
        .target(name: "CPostgres"),
        .target(name: "CSQLiteLog", linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(name: "CofferSQLite", dependencies: ["CSQLite", "CSQLiteLog"], swiftSettings: base),
        .target(name: "CofferHTTP", dependencies: ["CofferCore", "CCurl", "CLinux"], swiftSettings: base),
        // What vaults share, a module for each vault, and the list of those that a daemon has.
        .target(
            name: "CofferVaultKit",
            dependencies: ["CofferCore", "CofferCrypto", "CofferProcess", "CofferVault", "CofferHTTP"],
            swiftSettings: safe),
        .target(
            name: "CofferEmbedded", dependencies: ["CofferCore", "CofferVault", "CofferVaultKit", "CofferSQLite"],
            swiftSettings: safe),
        .target(
            name: "CofferMemory", dependencies: ["CofferCore", "CofferVault", "CofferVaultKit"], swiftSettings: safe),
        .target(
            name: "CofferHashiCorp",
            dependencies: ["CofferCore", "CofferCrypto", "CofferVault", "CofferVaultKit", "CofferHTTP"],
            swiftSettings: safe),
        .target(
            name: "CofferAWS",
            dependencies: [
                "CofferCore", "CofferCrypto", "CofferProcess", "CofferVault", "CofferVaultKit", "CofferHTTP",
            ],
            swiftSettings: safe),
        .target(
            name: "CofferCloudflare",
            dependencies: [
                "CofferCore", "CofferCrypto", "CofferProcess", "CofferVault", "CofferVaultKit", "CofferHTTP",
            ],
            swiftSettings: safe),
        .target(
            name: "CofferGoogle",
            dependencies: ["CofferCore", "CofferCrypto", "CofferVault", "CofferVaultKit", "CofferHTTP"],
            swiftSettings: safe),
        .target(
            name: "CofferAzure",
            dependencies: ["CofferCore", "CofferCrypto", "CofferVault", "CofferVaultKit", "CofferHTTP"],
            swiftSettings: safe),
        .target(
            name: "CofferPostgres",
            dependencies: ["CofferCore", "CofferCrypto", "CofferVault", "CofferVaultKit", "CPostgres"],
            swiftSettings: safe),
        .target(
            name: "CofferEtcd",
            dependencies: ["CofferCore", "CofferCrypto", "CofferVault", "CofferVaultKit", "CofferHTTP"],
            swiftSettings: safe),
        .target(
            name: "CofferFly",
            dependencies: [
                "CofferCore", "CofferCrypto", "CofferProcess", "CofferVault", "CofferVaultKit", "CofferHTTP",
            ],
            swiftSettings: safe),
        .target(
            name: "CofferVaultCatalogue",
            dependencies: [
                "CofferVaultKit", "CofferEmbedded", "CofferMemory", "CofferHashiCorp", "CofferAWS", "CofferCloudflare",
                "CofferGoogle", "CofferAzure", "CofferPostgres", "CofferEtcd", "CofferFly",
            ],
            swiftSettings: safe),
        .target(
            name: "CofferServer",
            dependencies: [
                "CofferCore", "CofferWire", "CofferCrypto", "CofferCache", "CofferAccess",
                "CofferVault", "CofferMessages", "CProtobufC", "CLinux", log,
            ],
            swiftSettings: base),
        .target(
            name: "CofferDaemon",
            dependencies: [
                "CofferCore", "CofferCrypto", "CofferCache", "CofferAccess", "CofferPolicy", "CofferVault",
                "CofferVaultKit", "CofferVaultCatalogue", "CofferHTTP", "CofferServer", "CofferProcess", "CofferYAML",
                "CLinux", log,
            ],
            swiftSettings: base),
        .executableTarget(
            name: "cofferd",
            dependencies: ["CWipingHeap", "CofferDaemon", "CofferCore", "CofferProcess", "CofferCommandLine", arguments],
            swiftSettings: base,
            // Symbols are bound at start: the lazy resolver saves vector registers,
            // and what was in them, on the stack.
            linkerSettings: program + [.unsafeFlags(["-Xlinker", "-z", "-Xlinker", "now"])]),
        .executableTarget(
            name: "coffer",
            dependencies: ["CofferProcess", "CofferCommandLine", "CofferAccess", "CofferPolicy", "CLinux", "Coffer", arguments],
            swiftSettings: base, linkerSettings: program),

        // The client for Swift, which shares no code with the daemon.
        .target(name: "Coffer", dependencies: [protobuf], path: "clients/swift/Sources/Coffer", swiftSettings: portable),
        .executableTarget(
            name: "coffer-ten-lines", dependencies: ["Coffer"], path: "clients/swift/examples/TenLines",
            swiftSettings: portable),
        .executableTarget(
            name: "coffer-fork-probe", dependencies: ["Coffer"], path: "clients/swift/Tests/ForkProbe",
            swiftSettings: portable),
        .testTarget(
            name: "CofferTests", dependencies: ["Coffer", "coffer-fork-probe", protobuf],
            path: "clients/swift/Tests/CofferTests", swiftSettings: portable),

        // The load generator, which shares no code with what it measures, and the workloads
        // that it and the cache's simulation play.
        .target(name: "CofferWorkload", swiftSettings: safe),
        .target(
            name: "CofferLoad",
            dependencies: [
                "CLinux", "CBaselines", "CofferCore", "CofferWorkload", "CofferProcess", "CofferCommandLine", arguments,
            ],
            swiftSettings: base),
        .executableTarget(
            name: "coffer-load", dependencies: ["CofferLoad", "CofferProcess", "CofferCommandLine", arguments],
            swiftSettings: safe, linkerSettings: program),

        // The code generator: a plugin of protoc, run by proto/generate.sh.
        .target(name: "CofferCodeGen", dependencies: [protobuf, protobufPlugin], swiftSettings: safe),
        .executableTarget(
            name: "protoc-gen-coffer", dependencies: ["CofferCodeGen", protobufPlugin], swiftSettings: safe,
            linkerSettings: program),

        // The Swift client's runner of the interoperability cases.
        .executableTarget(
            name: "coffer-interop-swift", dependencies: ["Coffer", arguments],
            path: "Tests/Interop/swift/Sources", swiftSettings: safe, linkerSettings: program),

        // Tests, and what several of them use.
        .target(
            name: "CofferVaultConformance", dependencies: ["CofferCore", "CofferHTTP", "CofferVault"],
            path: "Tests/CofferVaultConformance", swiftSettings: safe),
        .target(
            name: "CofferCacheSimulation", dependencies: ["CofferCore", "CofferCache", "CofferWorkload"],
            path: "Tests/CofferCacheSimulation", swiftSettings: safe),
        .target(
            name: "CofferNameSurvey",
            dependencies: [
                "CofferCore", "CofferAWS", "CofferAzure", "CofferCloudflare", "CofferEtcd", "CofferFly", "CofferGoogle",
                "CofferPostgres", "CofferVaultKit",
            ],
            path: "Tests/CofferNameSurvey", swiftSettings: safe),
        .target(
            name: "CofferPolicyProbe", dependencies: ["CofferCore", "CofferAccess", "CofferPolicy"],
            path: "Tests/CofferPolicyProbe", swiftSettings: safe),
        .executableTarget(
            name: "coffer-simulate",
            dependencies: ["CofferCore", "CofferCacheSimulation", "CofferNameSurvey", "CofferWorkload", arguments],
            path: "Tests/Simulate", swiftSettings: safe, linkerSettings: program),
        .executableTarget(
            name: "coffer-policy-cost", dependencies: ["CofferCore", "CofferAccess"], path: "Tests/PolicyCost",
            swiftSettings: base, linkerSettings: program),
        .target(
            name: "CFaultyVFS", path: "Tests/CFaultyVFS",
            linkerSettings: [.linkedLibrary("sqlite3")]),
        .testTarget(name: "CofferCoreTests", dependencies: ["CofferCore"], swiftSettings: base),
        .testTarget(name: "CofferProcessTests", dependencies: ["CofferProcess"], swiftSettings: base),
        .testTarget(
            name: "CofferWireTests", dependencies: ["CofferCore", "CofferWire"], swiftSettings: base),
        .testTarget(
            name: "CofferCacheTests",
            dependencies: ["CofferCore", "CofferCache", "CofferWorkload", "CofferCacheSimulation"],
            swiftSettings: base),
        .testTarget(name: "CofferYAMLTests", dependencies: ["CofferYAML"], swiftSettings: base),
        .testTarget(
            name: "CofferAccessTests", dependencies: ["CofferCore", "CofferAccess"], swiftSettings: base),
        .testTarget(
            name: "CofferPolicyTests", dependencies: ["CofferAccess", "CofferPolicy", "CofferPolicyProbe"],
            swiftSettings: base),
        .testTarget(name: "CofferCryptoTests", dependencies: ["CofferCrypto", "CofferCore"], swiftSettings: base),
        .testTarget(
            name: "CofferHTTPTests", dependencies: ["CofferCore", "CofferHTTP"], exclude: ["Servers"],
            swiftSettings: base),
        .testTarget(
            name: "CofferServerTests",
            dependencies: [
                "CofferCore", "CofferAccess", "CofferCache", "CofferCrypto", "CofferWire", "CofferVault", "CofferServer", log,
            ],
            swiftSettings: base),
        .testTarget(
            name: "CofferVaultTests",
            dependencies: ["CofferCore", "CofferCrypto", "CofferVault", "CofferMemory"],
            swiftSettings: base),
        .testTarget(
            name: "CofferVaultKitTests",
            dependencies: ["CofferCore", "CofferHTTP", "CofferVault", "CofferVaultKit", "CofferVaultConformance"],
            swiftSettings: base),
        .testTarget(
            name: "CofferEmbeddedTests",
            dependencies: [
                "CofferCore", "CofferVault", "CofferVaultKit", "CofferEmbedded", "CofferVaultConformance", "CofferSQLite",
                "CFaultyVFS",
            ],
            swiftSettings: base),
        .testTarget(
            name: "CofferMemoryTests",
            dependencies: ["CofferCore", "CofferVault", "CofferVaultKit", "CofferMemory", "CofferVaultConformance"],
            swiftSettings: base),
        .testTarget(
            name: "CofferHashiCorpTests",
            dependencies: [
                "CofferCore", "CofferCrypto", "CofferHTTP", "CofferVault", "CofferVaultKit", "CofferHashiCorp",
                "CofferVaultConformance",
            ],
            swiftSettings: base),
        .testTarget(
            name: "CofferAWSTests",
            dependencies: [
                "CofferCore", "CofferHTTP", "CofferVault", "CofferVaultKit", "CofferAWS", "CofferVaultConformance",
            ],
            swiftSettings: base),
        .testTarget(
            name: "CofferCloudflareTests",
            dependencies: [
                "CofferCore", "CofferHTTP", "CofferVault", "CofferVaultKit", "CofferCloudflare", "CofferVaultConformance",
            ],
            swiftSettings: base),
        .testTarget(
            name: "CofferGoogleTests",
            dependencies: [
                "CofferCore", "CofferCrypto", "CofferHTTP", "CofferVault", "CofferVaultKit", "CofferGoogle",
                "CofferVaultConformance",
            ],
            swiftSettings: base),
        .testTarget(
            name: "CofferAzureTests",
            dependencies: [
                "CofferCore", "CofferCrypto", "CofferHTTP", "CofferVault", "CofferVaultKit", "CofferAzure",
                "CofferVaultConformance",
            ],
            swiftSettings: base),
        .testTarget(
            name: "CofferPostgresTests",
            dependencies: [
                "CofferCore", "CofferCrypto", "CofferVault", "CofferVaultKit", "CofferPostgres", "CofferVaultConformance",
            ],
            swiftSettings: base),
        .testTarget(
            name: "CofferEtcdTests",
            dependencies: [
                "CofferCore", "CofferCrypto", "CofferHTTP", "CofferVault", "CofferVaultKit", "CofferEtcd", "CofferVaultConformance",
            ],
            swiftSettings: base),
        .testTarget(
            name: "CofferFlyTests",
            dependencies: [
                "CofferCore", "CofferCrypto", "CofferHTTP", "CofferVault", "CofferVaultKit", "CofferFly", "CofferNameSurvey",
                "CofferVaultConformance",
            ],
            swiftSettings: base),
        // A driver of the tests, and what holds for every driver.
        .testTarget(
            name: "CofferDriverTests",
            dependencies: [
                "CofferCore", "CofferVault", "CofferVaultKit", "CofferVaultCatalogue", "CofferServer", "CofferDaemon",
                "CofferVaultConformance",
            ],
            swiftSettings: base),
        // Run by Tests/Live/run.py, which starts what they talk to.
        .testTarget(
            name: "CofferVaultsLiveTests",
            dependencies: [
                "CofferCore", "CofferCrypto", "CofferHTTP", "CofferVault", "CofferVaultKit", "CofferHashiCorp", "CofferAWS",
                "CofferCloudflare", "CofferGoogle", "CofferAzure", "CofferPostgres", "CofferEtcd", "CofferFly",
                "CofferVaultConformance",
            ],
            swiftSettings: base),
        .testTarget(
            name: "CofferDaemonTests",
            dependencies: [
                "CofferDaemon", "CofferCore", "CofferCrypto", "CofferAccess", "CofferPolicy", "CofferHTTP", "CofferVault", "CofferVaultKit",
                "CofferVaultCatalogue", "CofferEmbedded", "CofferMemory", "CofferCache", "CofferServer", log,
            ],
            swiftSettings: base),
        .testTarget(
            name: "CofferLoadTests", dependencies: ["CofferCore", "CofferLoad", "CofferWorkload", arguments],
            swiftSettings: base),
        .testTarget(
            name: "CofferCodeGenTests", dependencies: ["CofferCodeGen", protobuf, protobufPlugin],
            exclude: ["Fixtures"], swiftSettings: base),
        .testTarget(
            name: "CofferServerDispatchTests",
            dependencies: ["CofferServer", "CofferCore", "CofferWire", "CofferMessages"], swiftSettings: base),
        .testTarget(
            name: "InteropSwiftTests", dependencies: ["coffer-interop-swift", "Coffer"],
            path: "Tests/Interop/swift/Tests", swiftSettings: base),
        fuzzing,
        .executableTarget(
            name: "coffer-oracle",
            dependencies: ["CofferCore", "CofferWire", "CofferServer", "CofferMessages", "CProtobufC"],
            path: "Tests/Fuzzing/Oracle", swiftSettings: base, linkerSettings: program),

        // Measured by hand, in release builds: swift run -c release NAME.
        .executableTarget(
            name: "coffer-bench-embedded",
            dependencies: ["CofferCore", "CofferVault", "CofferEmbedded", "CSQLite"],
            path: "Benchmarks/coffer-bench-embedded", swiftSettings: base, linkerSettings: program),
    ],
    swiftLanguageModes: [.v6]
)
