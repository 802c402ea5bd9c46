package import CofferCore
internal import CofferCrypto
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

/// Cloudflare's Secrets Store: one secret for each record, which services of Cloudflare's are given by bindings.
/// Nobody else gets its value back.
package final class CloudflareSecretsStore: VaultAdapter {
    package let name: String
    package let kind = "cloudflare-secrets-store"
    package let identity: [UInt8]
    package let capabilities: VaultCapabilities
    package let changes: VaultChanges? = nil

    /// Cloudflare's own limit of a value.
    static let maximumBytes = 65_536
    private static let pageSize = 100
    /// 10,000 secrets whose names have the one that is looked for in them.
    private static let maximumPages = 100

    private let client: CloudflareClient
    private let directory: CloudflareDirectory
    private let names: CloudflareSecretNames
    private let scopes: [String]
    private let clock: any Clock
    private let gate = CallGate()

    /// - Parameters:
    ///   - account: its id; nil = the only one that the token may use.
    ///   - store: its id or its name; nil = the account's only one.
    ///   - scopes: the services that may be given the secrets.
    init(
        name: String, client: CloudflareClient, account: String?, store: String?, scopes: [String], prefix: String,
        clock: any Clock
    ) {
        self.name = name
        self.client = client
        self.scopes = scopes
        self.clock = clock
        names = CloudflareSecretNames(prefix: prefix)
        directory = CloudflareDirectory(
            client, account: account,
            wanted: CloudflareDirectory.Wanted(
                collection: "/secrets_store/stores", nameMember: "name", name: store, what: "store", setting: "store"),
            clock: clock)
        identity = CloudflareIdentity.identity(kind, prefix)
        capabilities = VaultCapabilities(
            readable: false, conditionalWrites: false, listing: false, maximumPayloadBytes: Self.maximumBytes,
            textPayloads: true, repeatableWrites: true)
    }

    package func read(_ key: VaultKey, deadline: BootInstant) async throws(Failure) -> VaultItem? {
        try checkReadable()
        throw .internalError("a vault that cannot be read was read")
    }

    package func list(
        user: VaultUser?, after cursor: [UInt8]?, limit: Int, deadline: BootInstant
    ) async throws(Failure) -> VaultPage {
        throw Failure(
            .failedPrecondition, .notSupported, "a vault of kind \(kind) cannot list its records", vault: name)
    }

    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        guard condition == .none else { throw noConditions() }
        let secret = names.name(of: key.key)
        let value = try value(of: item)
        return try await during(deadline) { () throws(Failure) in
            // Another writer may create the secret, or delete it, after the look.
            for isLast in [false, true] {
                do throws(CloudflareFault) {
                    if let old = try await self.find(secret, deadline) {
                        try await self.replace(old.id, value, deadline)
                        return VaultReceipt(version: item.version, createdAt: old.created ?? item.updatedAt)
                    }
                    try await self.create(secret, value, deadline)
                    return VaultReceipt(version: item.version, createdAt: item.updatedAt)
                } catch {
                    guard !isLast, case .refused(let refusal) = error,
                        refusal.kind == .nameExists || refusal.kind == .secretNotFound
                    else { throw await self.explained(error, deadline) }
                }
            }
            throw .internalError("a write of a secret has neither succeeded nor failed")
        }
    }

    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        guard ifVersion == nil else { throw noConditions() }
        let secret = names.name(of: key.key)
        return try await during(deadline) { () throws(Failure) in
            do throws(CloudflareFault) {
                guard let old = try await self.find(secret, deadline) else { return false }
                _ = try await self.ask(deadline) { path in
                    var call = CloudflareCall(.delete, "\(path)/secrets/\(old.id)")
                    call.isWriting = true
                    return call
                }
                return true
            } catch {
                if case .refused(let refusal) = error, refusal.kind == .secretNotFound { return false }
                throw self.client.failure(error)
            }
        }
    }

    /// Looks for a secret that is never there: it shows that address, account, store and token are right.
    package func check(deadline: BootInstant) async throws(Failure) {
        try await during(deadline) { () throws(Failure) in
            do throws(CloudflareFault) {
                _ = try await self.find("\(self.names.prefix)-coffer-check", deadline)
            } catch {
                throw self.client.failure(error)
            }
        }
    }

    package func close() async { await gate.close() }

    // MARK: Calls

    private struct Found {
        let id: String
        let created: WallMilliseconds?
    }

    /// The secret of exactly this name: the service's search finds parts of names, and comments.
    private func find(_ secret: String, _ deadline: BootInstant) async throws(CloudflareFault) -> Found? {
        for page in 1...Self.maximumPages {
            let query = [
                (name: "search", value: secret), (name: "page", value: String(page)),
                (name: "per_page", value: String(Self.pageSize)),
            ]
            let answer = try await ask(deadline) { path in CloudflareCall(.get, path + "/secrets", query: query) }
            guard let list = answer.result.elements else { throw .failed(garbled(writing: false)) }
            for element in list where element["name"]?.text?.hasSameBytes(as: secret) == true {
                guard let id = element["id"]?.text, CloudflareSettings.isID(id) else {
                    throw .failed(garbled(writing: false))
                }
                return Found(id: id, created: element["created"]?.text.flatMap(Timestamp.milliseconds(of:)))
            }
            // The service may give fewer to a page than it was asked for, and need not say how many there are.
            let pages = answer.information?["total_pages"]?.integer
            if list.isEmpty || pages.map({ page >= $0 }) == true { return nil }
        }
        throw .failed(garbled(writing: false))
    }

    private func create(_ secret: String, _ value: Secret, _ deadline: BootInstant) async throws(CloudflareFault) {
        let body = JSON.array([
            .object([("name", .string(secret)), ("value", .string(value)), ("scopes", scopeList)])
        ])
        let answer = try await ask(deadline) { path in
            CloudflareCall(.post, path + "/secrets", json: body, isWriting: true)
        }
        guard answer.result.elements?.first?["id"]?.text != nil else { throw .failed(garbled(writing: true)) }
    }

    private func replace(_ id: String, _ value: Secret, _ deadline: BootInstant) async throws(CloudflareFault) {
        let body = JSON.object([("value", .string(value)), ("scopes", scopeList)])
        _ = try await ask(deadline) { path in
            CloudflareCall(.patch, "\(path)/secrets/\(id)", json: body, isWriting: true)
        }
    }

    private var scopeList: JSON { .array(scopes.map(JSON.string)) }

    /// A call below the store's path.
    private func ask(
        _ deadline: BootInstant, _ make: (String) -> CloudflareCall
    ) async throws(CloudflareFault) -> CloudflareAnswer {
        let path: String
        do throws(Failure) {
            path = try await directory.path(deadline: deadline)
        } catch {
            throw .failed(error)
        }
        do throws(CloudflareFault) {
            return try await client.call(make(path), deadline: deadline)
        } catch {
            if case .refused(let refusal) = error, refusal.kind == .storeNotFound || refusal.kind == .badRoute {
                directory.forget()
            }
            throw error
        }
    }

    // MARK: Parts

    /// As text, which is all that a secret may be.
    private func value(of item: VaultItem) throws(Failure) -> Secret {
        let value: Secret
        switch item.payload {
        case .sealed(let envelope):
            guard !envelope.isEmpty else { throw .payloadTooLarge(0, limit: Self.maximumBytes, vault: name) }
            value = Secret(Envelope.text(envelope))
        case .text(let text): value = text
        }
        guard (1...Self.maximumBytes).contains(value.count) else {
            throw Failure(
                .invalidArgument, .credentialTooLarge,
                "the secret's text has \(value.count) bytes, Cloudflare Secrets Store accepts 1 to \(Self.maximumBytes)",
                vault: name)
        }
        guard value.withBytes({ $0.isUTF8 }) else {
            throw .badField("credential", "must be UTF-8 in the formats json and legacy-aes")
        }
        return value
    }

    /// A quota that is used up is said with its figures, if they can be had.
    private func explained(_ fault: CloudflareFault, _ deadline: BootInstant) async -> Failure {
        let failure = client.failure(fault)
        guard case .refused(let refusal) = fault, refusal.kind == .quota else { return failure }
        do {
            let account = try await directory.accountPath(deadline: deadline)
            let answer = try await client.call(
                CloudflareCall(.get, account + "/secrets_store/quota"), deadline: deadline)
            guard let quota = answer.result["secrets"]?["quota"]?.integer,
                let usage = answer.result["secrets"]?["usage"]?.integer
            else { return failure }
            return failure.adding(" (\(usage) of \(quota) are used)")
        } catch {
            return failure
        }
    }

    private func garbled(writing: Bool) -> Failure {
        .cloudflareGarbled(.secretsStore, vault: name, writing: writing)
    }

    private func during<R>(_ deadline: BootInstant, _ body: () async throws(Failure) -> R) async throws(Failure) -> R {
        guard clock.boot < deadline else { throw .notBegun(vault: name) }
        guard gate.enter() else { throw .closed(vault: name) }
        defer { gate.leave() }
        return try await body()
    }

    private func noConditions() -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "a vault of kind \(kind) cannot do conditional writes or deletes; leave out if_version and if_absent",
            vault: name)
    }
}
