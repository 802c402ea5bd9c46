internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit
internal import Synchronization

/// Whether the vault ever did what a token asked for.
final class HashiCorpTokenUse: Sendable {
    private let worked = Atomic(false)

    var hasWorked: Bool { worked.load(ordering: .relaxed) }
    func noteWork() { worked.store(true, ordering: .relaxed) }
}

/// A token and how long it lives.
struct HashiCorpLease: Sendable {
    let token: Secret
    /// Another one for each token.
    let number: Int
    let use: HashiCorpTokenUse
    /// Seconds that were granted when the token was new; 0 = it never expires.
    let seconds: Int64
    /// nil = never.
    var until: BootInstant?
    var isRenewable: Bool

    init(
        token: Secret, number: Int, use: HashiCorpTokenUse = HashiCorpTokenUse(), grant: HashiCorpGrant,
        now: BootInstant
    ) {
        self.token = token
        self.number = number
        self.use = use
        seconds = grant.seconds
        until = grant.until(now)
        isRenewable = grant.isRenewable
    }

    func isUsable(at now: BootInstant) -> Bool { until.map { now < $0 } ?? true }
}

/// What a login or a renewal gives.
struct HashiCorpGrant: Sendable {
    /// 0 = for ever. At most ten years, so that no sum overflows.
    let seconds: Int64
    let isRenewable: Bool

    static let forever = HashiCorpGrant(seconds: 0, isRenewable: false)

    init(seconds: Int64, isRenewable: Bool) {
        self.seconds = min(max(0, seconds), 315_360_000)
        self.isRenewable = isRenewable
    }

    func until(_ now: BootInstant) -> BootInstant? { seconds == 0 ? nil : now + .seconds(seconds) }
}

/// The requests that have to do with the daemon's token, and their answers.
enum HashiCorpLogin {
    /// The longest token, role or secret id.
    static let maximumBytes = 16_384

    /// - Parameter word: what the login's file holds; nil if it has none.
    /// - Returns: nil for a token that is given.
    static func call(_ auth: HashiCorpOptions.Auth, _ word: Secret?) throws(Failure) -> HashiCorpCall? {
        let word = word.map { JSON.string($0) }
        switch auth {
        case .token, .tokenFile: return nil
        case .appRole(let mount, let roleID, let secretID):
            var members: [(name: String, value: JSON)] = [("role_id", .string(roleID))]
            if case .value(let secret) = secretID { members.append(("secret_id", .string(secret))) }
            if let word { members.append(("secret_id", word)) }
            return try login(mount, members)
        case .kubernetes(let mount, let role, _):
            return try login(mount, [("role", .string(role))] + (word.map { [("jwt", $0)] } ?? []))
        case .jwt(let mount, let role, _):
            let role = role.map { [(name: "role", value: JSON.string($0))] } ?? []
            return try login(mount, role + (word.map { [("jwt", $0)] } ?? []))
        }
    }

    /// The file whose word a login sends; nil if it needs none.
    static func file(_ auth: HashiCorpOptions.Auth) -> HashiCorpOptions.File? {
        switch auth {
        case .token, .tokenFile: nil
        case .appRole(_, _, .file(let path)): .init(path)
        case .appRole: nil
        case .kubernetes(_, _, let path), .jwt(_, _, let path): .init(path, isOfPlatform: true)
        }
    }

    /// What that file holds.
    ///
    /// - Throws: what is wrong with it.
    static func word(
        of auth: HashiCorpOptions.Auth, dependencies: HashiCorpDependencies, vault: String, deadline: BootInstant
    ) async throws(Failure) -> Secret? {
        guard let file = file(auth) else { return nil }
        return try await word(in: file, dependencies, vault: vault, deadline: deadline)
    }

    private static func login(
        _ mount: String, _ members: [(name: String, value: JSON)]
    ) throws(Failure) -> HashiCorpCall {
        let mount = PercentEncoding.path(try HashiCorpOptions.path(mount, option: "mount of the login method"))
        return HashiCorpCall(.post, "auth/\(mount)/login", .object(members), for: .login)
    }

    static let lookup = HashiCorpCall(.get, "auth/token/lookup-self", for: .read)

    static func renewal(seconds: Int64) -> HashiCorpCall {
        HashiCorpCall(.post, "auth/token/renew-self", .object([("increment", .string("\(seconds)s"))]), for: .write)
    }

    // MARK: Answers, which are not trusted

    /// Of a login or a renewal.
    static func grant(in answer: HashiCorpAnswer) -> (token: Secret, grant: HashiCorpGrant)? {
        guard answer.isSuccess, let auth = answer.json?["auth"], let token = auth["client_token"]?.secret,
            isHeaderValue(token), let seconds = auth["lease_duration"]?.integer, seconds >= 0
        else { return nil }
        return (token, HashiCorpGrant(seconds: seconds, isRenewable: auth["renewable"]?.bool ?? false))
    }

    /// Of a look-up.
    static func remaining(in answer: HashiCorpAnswer) -> HashiCorpGrant? {
        guard answer.isSuccess, let seconds = answer.data?["ttl"]?.integer, seconds >= 0 else { return nil }
        return HashiCorpGrant(seconds: seconds, isRenewable: answer.data?["renewable"]?.bool ?? false)
    }

    // MARK: Files

    /// The only word in a file, without the white space around it.
    static func word(
        in file: HashiCorpOptions.File, _ dependencies: HashiCorpDependencies, vault: String, deadline: BootInstant
    ) async throws(Failure) -> Secret {
        try word(try await dependencies.readFile(file, deadline), from: file, vault: vault)
    }

    /// The same of what the file holds.
    ///
    /// - Throws: FAILED_PRECONDITION for anything but one word.
    static func word(_ content: Secret, from file: HashiCorpOptions.File, vault: String) throws(Failure) -> Secret {
        let word = content.withBytes { bytes in
            var (start, end) = (0, bytes.byteCount)
            while start < end, bytes.byte(at: start) <= 0x20 { start += 1 }
            while end > start, bytes.byte(at: end - 1) <= 0x20 { end -= 1 }
            return Secret(copying: bytes.extracting(start..<end))
        }
        guard isHeaderValue(word) else {
            throw Failure(
                .failedPrecondition, .vaultRefused,
                "\(file.path): expected one token of 1 to \(maximumBytes) visible ASCII characters, got \(word.count) bytes",
                vault: vault, isUnsent: true)
        }
        return word
    }

    /// Visible ASCII, so that it cannot end a header.
    static func isHeaderValue(_ secret: Secret) -> Bool {
        (1...maximumBytes).contains(secret.count) && secret.isHeaderValue(allowsBlanks: false)
    }
}
