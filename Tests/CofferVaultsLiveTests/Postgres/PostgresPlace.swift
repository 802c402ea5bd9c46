import CofferCore
import CofferVault
import CofferVaultConformance
import CofferVaultKit
import Foundation
import Testing

@testable import CofferPostgres

/// What `Tests/Live/run.py` says about the PostgreSQL that it started.
enum PostgresPlace {
    static func variable(_ name: String) throws -> String {
        let name = "COFFER_LIVE_PG_\(name)"
        guard let value = ProcessInfo.processInfo.environment[name], !value.isEmpty else {
            throw Live.Missing(name: name)
        }
        return value
    }

    static func newSchema() -> String { "t" + UUID().uuidString.lowercased().filter { $0 != "-" }.prefix(20) }

    static func url(
        user: String = "app", host: String = "127.0.0.1", port: String = "PORT", database: String = "coffer"
    ) throws -> String {
        "postgresql://\(user)@\(host):\(try variable(port))/\(database)"
    }

    static func configuration(_ settings: [String: String]) throws -> VaultConfiguration {
        var vault = VaultConfiguration(name: "live", driver: PostgresDriver())
        for (name, text) in settings {
            let setting = try #require(vault.setting(name), "\(name)")
            #expect(setting.apply([text], &vault), "\(name): \(text)")
            vault.locations[name] = "test"
        }
        #expect(VaultRules.mistakes(in: vault) == [])
        return vault
    }

    /// - Parameter settings: over those of the role `app` on the first server.
    static func options(
        _ settings: [String: String] = [:], password: String? = nil
    ) throws -> PostgresOptions {
        var all = ["url": try url(), "ca_file": try variable("CA")].merging(settings) { $1 }
        all = all.filter { !$0.value.isEmpty }
        let vault = try configuration(all)
        let secret = Secret(text: try password ?? variable("PASSWORD"))
        return try PostgresOptions(
            vault, try PostgresAddress(vault[PostgresSettings.url]), secret.count > 0 ? .value(secret) : .none)
    }

    static func vault(
        _ settings: [String: String], password: String? = nil, clock: any Clock = SystemClock(), silence: Duration? = nil,
        notice: @escaping @Sendable (String) -> Void = { _ in }
    ) throws -> PostgresVault {
        try PostgresVault(
            name: "live", options: try options(settings, password: password),
            dependencies: PostgresDependencies(clock: clock, silence: silence, notice: notice))
    }

    /// As the owner of everything, by the socket.
    static func sql(_ script: String, database: String = "coffer", server: String = "") throws -> PostgresRows {
        let connection = try admin(database: database, server: server)
        return try connection.run(script: script, deadline: Live.deadline)
    }

    static func admin(database: String = "coffer", server: String = "") throws -> PostgresConnection {
        let (folder, port) = (try variable("\(server)SOCKET"), try variable("\(server)PORT"))
        let options = try options(
            ["url": "postgresql://postgres@/\(database)?host=\(folder)&port=\(port)", "ca_file": ""], password: "")
        return try PostgresConnection(
            options.link(to: options.hosts[0], password: nil), clock: SystemClock(), deadline: Live.deadline)
    }

    /// Commands for the second server, in order: stop, start, standby, primary.
    static func control(_ commands: String...) throws {
        let code = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect(sys.argv[1])
            s.sendall(sys.argv[2].encode() + b"\\n"); sys.exit(s.recv(9) != b"ok")
            """
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-c", code, try variable("CONTROL"), commands.joined(separator: " ")]
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0, "\(commands)")
    }

    static func expect(
        _ code: StatusCode, _ reason: Failure.Reason, _ text: String, retryable: Bool = false, unsent: Bool? = nil,
        mayHaveWritten: Bool = false, sourceLocation: SourceLocation = #_sourceLocation,
        _ call: () async throws(Failure) -> Void
    ) async {
        let error = await failure(call)
        #expect(error?.code == code && error?.reason == reason, "\(String(describing: error))", sourceLocation: sourceLocation)
        #expect(error?.message.contains(text) == true, "\(String(describing: error))", sourceLocation: sourceLocation)
        #expect(error?.retryable == retryable, "\(String(describing: error))", sourceLocation: sourceLocation)
        #expect(error?.mayHaveWritten == mayHaveWritten, "\(String(describing: error))", sourceLocation: sourceLocation)
        if let unsent {
            #expect(error?.isUnsent == unsent, "\(String(describing: error))", sourceLocation: sourceLocation)
        }
    }
}

extension PostgresVault {
    func read(_ user: String = "u", _ connection: String = "c") async throws(Failure) -> VaultItem? {
        try await read(try testKey(user, connection), deadline: Live.deadline)
    }

    func write(
        _ version: String, _ user: String = "u", _ connection: String = "c", expiresAt: WallMilliseconds = 0,
        deadline: BootInstant = Live.deadline
    ) async throws(Failure) {
        _ = try await write(
            try testKey(user, connection), Live.sealed(version, expiresAt: expiresAt), condition: .none,
            deadline: deadline)
    }
}

extension PostgresVault {
    func remove(_ user: String, deadline: BootInstant = Live.deadline) async throws(Failure) {
        _ = try await remove(try testKey(user, "c"), ifVersion: nil, deadline: deadline)
    }
}

private func testKey(_ user: String, _ connection: String) throws(Failure) -> VaultKey {
    VaultKey(
        key: try RecordKey(user: user, connection: connection), tag: [UInt8](repeating: 1, count: 32),
        userTag: [UInt8](repeating: 2, count: 32))
}
