internal import CofferCore
internal import CofferCrypto
internal import CofferVaultKit

/// What calls show to etcd.
struct EtcdToken: Sendable {
    /// nil = none: no login is configured, or etcd has authentication switched off.
    let secret: Secret?
    /// Another one for each token.
    let number: Int
}

/// The daemon's token: got when it is needed, and replaced when etcd no longer knows it.
///
/// etcd's simple tokens live for five minutes without use, and no longer than the member that uses them; JSON web
/// tokens expire at a time that etcd keeps to itself. So nothing is renewed before its time: a call whose token is
/// refused has done nothing, and is made again with a new one.
actor EtcdSession {
    private static let loginTimeout = Duration.seconds(10)
    /// How long a login that was refused is not tried again: etcd takes some 100 ms of a core to check a password.
    private static let loginBackoff = Duration.seconds(1)
    private static let maximumPasswordBytes = 4_096
    private static let maximumTokenBytes = 16_384

    private let login: EtcdOptions.Login?
    private let wire: EtcdWire
    private let logins: SharedWork<EtcdToken>
    private var current: EtcdToken?
    private var lastNumber = 0
    private var refusal: (failure: Failure, until: BootInstant)?
    /// Of the password that the last login was made with.
    private var usedDigest: [UInt8]?
    private var isClosed = false

    private var now: BootInstant { wire.dependencies.clock.boot }

    init(login: EtcdOptions.Login?, wire: EtcdWire) {
        self.login = login
        self.wire = wire
        logins = SharedWork(clock: wire.dependencies.clock, sleep: wire.dependencies.sleep)
    }

    func close() {
        isClosed = true
        current = nil
    }

    /// A token that works, as far as is known.
    func token(by deadline: BootInstant) async throws(Failure) -> EtcdToken {
        guard !isClosed else { throw .closed(vault: wire.vault) }
        if let current { return current }
        guard let login else { return EtcdToken(secret: nil, number: 0) }
        return try await logIn(login, replacing: 0, deadline)
    }

    /// The token to repeat a call with that was refused for its token.
    ///
    /// - Throws: UNAUTHENTICATED if there is no login.
    func replacement(for number: Int, by deadline: BootInstant) async throws(Failure) -> EtcdToken {
        guard !isClosed else { throw .closed(vault: wire.vault) }
        guard let login else { throw EtcdFault.noToken.failure(vault: wire.vault, isWrite: false) }
        if let current, current.number != number { return current }
        return try await logIn(login, replacing: number, deadline)
    }

    /// Reads the password's file again, and logs in with what is new in it.
    ///
    /// - Returns: whether there is another token than before.
    /// - Throws: why there is none; the one before stays in use.
    func reload(by deadline: BootInstant) async throws(Failure) -> Bool {
        guard let login, case .file(let path) = login.password, !isClosed, let before = current else { return false }
        let digest = Digest.sha256(try await password(in: path, deadline))
        refusal = nil
        // A login that was under way had read the file before.
        for _ in 0..<2 where usedDigest != digest {
            _ = try await logIn(login, replacing: current?.number ?? 0, deadline)
        }
        return current?.number != before.number
    }

    private func logIn(
        _ login: EtcdOptions.Login, replacing number: Int, _ deadline: BootInstant
    ) async throws(Failure) -> EtcdToken {
        let outcome = await logins.outcome(by: deadline) { await self.outcome(of: login, replacing: number) }
        guard let outcome else {
            if Task.isCancelled {
                throw Failure(.cancelled, .cancelled, "the call was cancelled; nothing was done", vault: wire.vault)
            }
            throw .notBegun(vault: wire.vault)
        }
        return try outcome.get()
    }

    private func outcome(of login: EtcdOptions.Login, replacing number: Int) async -> Result<EtcdToken, Failure> {
        // Another login may have ended between the caller's look and this one.
        if let current, current.number != number { return .success(current) }
        if let refusal, now < refusal.until { return .failure(refusal.failure.remembered) }
        do throws(Failure) {
            let secret = try await askForToken(login)
            guard !isClosed else { throw .closed(vault: wire.vault) }
            refusal = nil
            lastNumber += 1
            let token = EtcdToken(secret: secret, number: lastNumber)
            current = token
            return .success(token)
        } catch {
            refusal = (error, now + Self.loginBackoff * (error.code == .unauthenticated ? 1 : 0.2))
            return .failure(error)
        }
    }

    /// - Returns: nil if etcd has authentication switched off.
    private func askForToken(_ login: EtcdOptions.Login) async throws(Failure) -> Secret? {
        let deadline = now + Self.loginTimeout
        let password =
            switch login.password {
            case .value(let value): value
            case .file(let path): try await password(in: path, deadline)
            }
        let call = EtcdCall(
            "auth/authenticate", [("name", .string(login.user)), ("password", .string(password))], for: .preparation)
        let answer = try await wire.exchange(call, token: nil, deadline: deadline).answer
        usedDigest = Digest.sha256(password)
        switch answer.fault {
        case nil: break
        case .authenticationIsOff: return nil
        case let fault?: throw answer.failure(fault, vault: wire.vault, isWrite: false)
        }
        guard let token = answer.json?["token"]?.secret, (1...Self.maximumTokenBytes).contains(token.count),
            token.isHeaderValue(allowsBlanks: false)
        else { throw .etcdGarbled(wire.vault, isWrite: false) }
        return token
    }

    private func password(in path: String, _ deadline: BootInstant) async throws(Failure) -> Secret {
        try Self.password(try await wire.dependencies.readFile(path, deadline), from: path, vault: wire.vault)
    }

    /// The password that a file holds, without a line end.
    ///
    /// - Throws: FAILED_PRECONDITION for what is none.
    static func password(_ content: Secret, from path: String, vault: String) throws(Failure) -> Secret {
        let password = content.withoutLineEnd
        guard (1...maximumPasswordBytes).contains(password.count), password.withBytes({ $0.isUTF8 }) else {
            throw Failure(
                .failedPrecondition, .vaultRefused,
                "\(path): expected a password of 1 to \(maximumPasswordBytes) bytes of UTF-8, got \(password.count) bytes",
                vault: vault, isUnsent: true)
        }
        return password
    }
}
