package import CofferCore
package import CofferCrypto
package import CofferHTTP

/// What a driver opens a vault from, beside its configuration.
package struct VaultContext: Sendable {
    /// What a database keeps about its keys goes in, nil when it is being made, and the vault's
    /// identity; what it is to keep comes out.
    package typealias KeyCheck =
        @Sendable (_ existing: [UInt8]?, _ identity: [UInt8]) throws(Failure) -> [UInt8]

    package let clock: SystemClock
    package let random: SystemRandom
    /// The daemon's folder for data.
    package let dataFolder: String
    /// For local vaults, which have no time of their own: a call that had less than this, and ran out of it, says
    /// nothing about the vault. As it was at the start.
    package let patience: Duration
    /// The first of these secret variables that came with the start; nil if none did, or if that one is empty.
    package private(set) var secret: @Sendable (_ names: [String]) -> Secret?
    /// The secret variables of the start whose names begin with one of the driver's `secretPrefixes`, with their values.
    package private(set) var secrets: @Sendable (_ prefix: String) -> [String: Secret]
    /// Another environment variable; nil if it is not set.
    package let variable: @Sendable (_ name: String) -> Secret?
    /// A whole file; nil if it is not there. It may block, and is for the start.
    package let readFile: @Sendable (String, ProtectedFile.Rule) throws(Failure) -> Secret?
    /// The same by a deadline, without blocking the thread.
    package let readFileLater: @Sendable (String, ProtectedFile.Rule, BootInstant) async throws(Failure) -> Secret?
    /// The files of a vault's `RemoteSettings`, followed when they change; nil if they name none.
    package let tlsFiles: @Sendable (VaultConfiguration) throws(Failure) -> TLSFiles?
    /// A way to a server.
    package let connect: @Sendable (HTTPEndpoint) throws(Failure) -> any HTTPTransport
    /// Has the driver's credentials come from their files again whenever the daemon is reloaded (SIGHUP), by the deadline that
    /// it is given. It returns whether they are others than before, and throws if there are none: those that
    /// were there stay in use. No call of the vault may fail because of it.
    package let whenReloaded:
        @Sendable (VaultConfiguration, @escaping @Sendable (BootInstant) async throws(Failure) -> Bool) -> Void
    /// Whether the daemon's keys belong to a database.
    package private(set) var keyCheck: KeyCheck
    /// Seals what a vault keeps in files of its own; nil where nothing is opened, as with `--check`.
    package private(set) var sealer: RecordSealer?
    /// Logs what an operator should know at the start.
    package let notice: @Sendable (_ vault: String, _ text: String) -> Void
    /// For a file that is read again later, at each login perhaps: has `--check` and the start warn of what is wrong with it
    /// now, as somebody may still mend it.
    package let expect: @Sendable (VaultConfiguration, ExpectedFile) -> Void

    package init(
        clock: SystemClock, random: SystemRandom, dataFolder: String, patience: Duration,
        secret: @escaping @Sendable (_ names: [String]) -> Secret?,
        secrets: @escaping @Sendable (_ prefix: String) -> [String: Secret] = { _ in [:] },
        variable: @escaping @Sendable (_ name: String) -> Secret?,
        readFile: @escaping @Sendable (String, ProtectedFile.Rule) throws(Failure) -> Secret?,
        readFileLater: @escaping @Sendable (String, ProtectedFile.Rule, BootInstant) async throws(Failure) -> Secret?,
        tlsFiles: @escaping @Sendable (VaultConfiguration) throws(Failure) -> TLSFiles?,
        connect: @escaping @Sendable (HTTPEndpoint) throws(Failure) -> any HTTPTransport,
        whenReloaded: @escaping
            @Sendable (VaultConfiguration, @escaping @Sendable (BootInstant) async throws(Failure) -> Bool) -> Void,
        keyCheck: @escaping KeyCheck,
        notice: @escaping @Sendable (_ vault: String, _ text: String) -> Void,
        expect: @escaping @Sendable (VaultConfiguration, ExpectedFile) -> Void = { _, _ in }
    ) {
        self.clock = clock
        self.random = random
        self.dataFolder = dataFolder
        self.patience = patience
        self.secret = secret
        self.secrets = secrets
        self.variable = variable
        self.readFile = readFile
        self.readFileLater = readFileLater
        self.tlsFiles = tlsFiles
        self.connect = connect
        self.whenReloaded = whenReloaded
        self.keyCheck = keyCheck
        self.notice = notice
        self.expect = expect
    }

    /// The same with another check of keys.
    package func with(keyCheck: @escaping KeyCheck) -> VaultContext {
        var context = self
        context.keyCheck = keyCheck
        return context
    }

    /// The same with a sealer of the daemon's keys.
    package func with(sealer: RecordSealer) -> VaultContext {
        var context = self
        context.sealer = sealer
        return context
    }

    /// The same with other secret variables.
    package func with(
        secret: @escaping @Sendable (_ names: [String]) -> Secret?,
        secrets: @escaping @Sendable (_ prefix: String) -> [String: Secret] = { _ in [:] }
    ) -> VaultContext {
        var context = self
        context.secret = secret
        context.secrets = secrets
        return context
    }

    /// A file that has to be there by then.
    package func file(
        _ path: String, _ rule: ProtectedFile.Rule, deadline: BootInstant
    ) async throws(Failure) -> Secret {
        guard let content = try await readFileLater(path, rule, deadline) else {
            throw .fileUnreadable(path, "it does not exist")
        }
        return content
    }
}

/// A file that a setting names, and that a vault cannot do its work without.
package struct ExpectedFile: Sendable {
    /// The setting's name.
    package let setting: String
    package let path: String
    package let rule: ProtectedFile.Rule
    /// Throws what a login with the file's bytes would fail with before anybody is asked.
    package let check: @Sendable (Secret) throws(Failure) -> Void

    package init(
        _ setting: String, _ path: String, _ rule: ProtectedFile.Rule,
        check: @escaping @Sendable (Secret) throws(Failure) -> Void = { (_: Secret) throws(Failure) in }
    ) {
        self.setting = setting
        self.path = path
        self.rule = rule
        self.check = check
    }
}

extension Failure {
    package static func fileUnreadable(_ path: String, _ why: String) -> Failure {
        Failure(.failedPrecondition, .vaultRefused, "\(path) cannot be read: \(why)", isUnsent: true)
    }
}
