import Coffer

/// Runs cases in order against one daemon.
struct CaseRunner<Channel: CofferChannel> {
    let client: CofferClient<Channel>
    /// Versions kept by `save=NAME`.
    private var versions: [String: String] = [:]

    /// The file asks for what the runner does not understand.
    struct Unusable: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    init(client: CofferClient<Channel>) { self.client = client }

    /// - Returns: what is wrong; empty = the case passes.
    mutating func run(_ test: InteropCase) async -> [String] {
        var observed: [String: String] = [:]
        var status = "OK"
        do {
            observed = try await call(test)
        } catch let error as CofferError {
            status = error.code.description
            observed["reason"] = String(error.reason.rawValue)
            observed["message"] = error.message
        } catch {
            return ["cannot be run: \(error)"]
        }
        var problems: [String] = []
        if status != test.status {
            problems.append("expected \(test.status), got \(status) \(observed["message"] ?? "")")
        }
        for (key, expected) in test.expectations.raw.sorted(by: { $0.key < $1.key }) where key != "save" {
            let wanted = key == "version" ? version(expected) : expected
            let got = observed[key] ?? "nothing"
            if wanted != got { problems.append("\(key): expected \(wanted ?? "a saved version"), got \(got)") }
        }
        return problems
    }

    /// What the answer shows, in the words of the file.
    private mutating func call(_ test: InteropCase) async throws -> [String: String] {
        let fields = test.arguments
        switch test.method {
        case "store": return try await store(test)
        case "get": return try await get(test)
        case "delete":
            let existed = try await client.delete(
                user: try Self.text(fields, "user"), connection: try Self.text(fields, "conn"),
                ifVersion: try version(in: fields))
            return ["existed": String(existed)]
        case "getmany": return ["results": try await getMany(fields)]
        case "list": return ["connections": try await list(fields)]
        case "health":
            _ = try await client.health()
            return [:]
        case "ping":
            let identity = try await client.ping()
            guard identity.instance.count == 16, identity.maximumKeys == 256, identity.maximumFrameBytes >= 65_536 else {
                return ["identity": "\(identity)"]
            }
            return ["draining": String(identity.isDraining)]
        case "stats":
            _ = try await client.stats()
            return [:]
        case "invalidate" where fields.raw.isEmpty:
            // Only the stub can leave the scope out.
            let admin = Coffer_V1_AdminClient(channel: client.channel)
            return ["dropped": String(try await admin.invalidate(.init()).dropped)]
        case "invalidate": return ["dropped": String(try await client.invalidate(try Self.scope(fields)))]
        case "sleep":
            try await Task.sleep(for: .milliseconds(try Self.require(fields.number("ms", as: Int.self), "ms")))
            return [:]
        default: throw Unusable("no method \"\(test.method)\"")
        }
    }

    private mutating func store(_ test: InteropCase) async throws -> [String: String] {
        let fields = test.arguments
        var condition = try version(in: fields).map(StoreCondition.version)
        if fields.raw["if_absent"] == "1" { condition = .absent }
        let receipt = try await client.store(
            Credential(try Self.require(fields.value, "value or fill")),
            user: try Self.text(fields, "user"), connection: try Self.text(fields, "conn"),
            timeToLive: fields.number("ttl", as: Int.self).map { .seconds($0) }, labels: fields.labels,
            condition: condition)
        if let name = test.expectations.raw["save"] { versions[name] = receipt.version }
        return [:]
    }

    private func get(_ test: InteropCase) async throws -> [String: String] {
        let fields = test.arguments
        let record = try await client.credential(
            user: try Self.text(fields, "user"), connection: try Self.text(fields, "conn"),
            maximumAge: fields.number("max_age", as: Int64.self).map { .milliseconds($0) })
        let sources: [CredentialRecord.Source: String] = [
            .memory: "memory", .vault: "vault", .staleOnError: "stale", .unknown: "unknown",
        ]
        var observed = [
            "version": record.version, "labels": String(record.labels.count),
            "source": sources[record.source] ?? "", "expires": record.expiresAtMilliseconds == nil ? "0" : "1",
        ]
        for (name, value) in record.labels { observed["label." + percentEncoded(name)] = percentEncoded(value) }
        // Compared here, so that no message of the runner shows a credential.
        let expected = test.expectations
        if let value = expected.value {
            let key = expected.raw["fill"] == nil ? "value" : "fill"
            let isEqual = record.credential == Credential(value)
            observed[key] = isEqual ? expected.raw[key] : "another one of \(record.credential.count) bytes"
        }
        return observed
    }

    /// Through the stub where the file leaves what the client's face can ask for.
    private func getMany(_ fields: Fields) async throws -> String {
        let keys = try Self.keys(fields)
        let maximumAge = fields.number("max_age", as: UInt64.self)
        if (1...256).contains(keys.count) {
            let results = try await client.credentials(
                keys, maximumAge: maximumAge.map { .milliseconds(Int64(clamping: $0)) })
            return results.map { result in
                switch result {
                case .success: "OK"
                case .failure(let error): error.code.description
                }
            }.joined(separator: ",")
        }
        var request = Coffer_V1_GetManyRequest()
        for key in keys {
            var message = Coffer_V1_Key()
            message.userID = key.user
            message.connectionID = key.connection
            request.keys.append(message)
        }
        var count = 0
        for try await response in Coffer_V1_CredentialsClient(channel: client.channel).getMany(request) {
            count += response.results.count
        }
        return "\(count) results"
    }

    private func list(_ fields: Fields) async throws -> String {
        var names: [String] = []
        let list = client.list(user: try Self.text(fields, "user"), pageSize: fields.number("page_size") ?? 0)
        for try await entry in list { names.append(entry.key.connection) }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map(percentEncoded).joined(separator: ",")
    }

    // MARK: Fields

    /// `@NAME` to what was saved as NAME; other text is percent-encoded.
    private func version(_ text: String) -> String? {
        if text.hasPrefix("@") { return versions[String(text.dropFirst())] }
        return percentDecoded(text).flatMap { String(validating: $0, as: UTF8.self) }
    }

    private func version(in fields: Fields) throws -> String? {
        try fields.raw["if_version"].map { try Self.require(version($0), "if_version \($0)") }
    }

    private static func scope(_ fields: Fields) throws -> InvalidationScope {
        if fields.raw["all"] == "1" { return .all }
        if let user = fields.text("user") { return .user(user) }
        return .key(try key(try require(fields.raw["key"], "all, user or key")))
    }

    private static func keys(_ fields: Fields) throws -> [CredentialKey] {
        let text = try require(fields.raw["keys"], "keys")
        return try text.isEmpty ? [] : text.split(separator: ",").map(key)
    }

    private static func key(_ text: some StringProtocol) throws -> CredentialKey {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map {
            percentDecoded($0).flatMap { String(validating: $0, as: UTF8.self) }
        }
        guard parts.count == 2, let user = parts[0], let connection = parts[1] else {
            throw Unusable("\"\(text)\" is no user:connection")
        }
        return CredentialKey(user: user, connection: connection)
    }

    private static func text(_ fields: Fields, _ key: String) throws -> String {
        try require(fields.text(key), key)
    }

    private static func require<T>(_ value: T?, _ what: String) throws -> T {
        guard let value else { throw Unusable("\(what) is missing or does not decode") }
        return value
    }
}
