package import CofferCore

/// How a HashiCorp Vault or an OpenBao is used: where records lie in it, and who
/// the daemon is to it.
package struct HashiCorpOptions: Sendable {
    /// A secret from the configuration, or from a file that is read at each login.
    package enum Source: Sendable {
        case value(Secret)
        case file(String)
    }

    /// A file with a token or a secret id.
    package struct File: Hashable, Sendable {
        package let path: String
        /// A platform lays it out, for instance Kubernetes the token of a pod: its
        /// mode is not the operator's to choose.
        package let isOfPlatform: Bool

        package init(_ path: String, isOfPlatform: Bool = false) {
            self.path = path
            self.isOfPlatform = isOfPlatform
        }
    }

    /// How the daemon gets its token.
    package enum Auth: Sendable {
        /// A token as it is; renewed if it can be.
        case token(Secret)
        /// A file that somebody else keeps up to date, for instance Vault Agent.
        case tokenFile(String)
        /// - secretID: nil if the role binds none.
        case appRole(mount: String, roleID: String, secretID: Source?)
        /// - tokenFile: of the service account, usually projected and rotated.
        case kubernetes(mount: String, role: String, tokenFile: String)
        /// - role: nil = the mount's default role.
        case jwt(mount: String, role: String?, tokenFile: String)
    }

    /// Where the KV version 2 engine is mounted, without outer slashes.
    package let mount: String
    /// The folder of all records, without outer slashes.
    package let prefix: String
    /// Without outer slashes; nil = the root namespace.
    package let namespace: String?
    package let auth: Auth
    /// Delete keeps the versions in the vault, to be undeleted there.
    package let softDelete: Bool
    /// Custom metadata (user, connection, created) and the time after which the
    /// vault collects a version. Without it, records in text formats cannot expire.
    package let writesMetadata: Bool
    /// Records have the names that a program gives them which does not escape ids,
    /// where those can be no other record's.
    package let literalNames: Bool

    /// - Throws: INVALID_ARGUMENT naming the option that is no path.
    package init(
        auth: Auth, mount: String = "secret", prefix: String = "ai2-connectors", namespace: String? = nil,
        softDelete: Bool = false, writesMetadata: Bool = true, literalNames: Bool = false
    ) throws(Failure) {
        self.auth = auth
        self.mount = try Self.path(mount, option: "mount")
        self.prefix = try Self.path(prefix, option: "prefix")
        self.namespace = try namespace.flatMap { $0.isEmpty ? nil : $0 }.map { text throws(Failure) in
            try Self.path(text, option: "namespace")
        }
        self.softDelete = softDelete
        self.writesMetadata = writesMetadata
        self.literalNames = literalNames
        switch auth {
        case .token, .tokenFile: break
        case .appRole(let mount, _, _), .kubernetes(let mount, _, _), .jwt(let mount, _, _):
            _ = try Self.path(mount, option: "mount of the login method")
        }
    }

    static let maximumPathBytes = 512

    /// `text` without outer and double slashes.
    static func path(_ text: String, option: String) throws(Failure) -> String {
        let segments = text.split(separator: "/")
        let isPath =
            !segments.isEmpty && text.utf8.count <= maximumPathBytes && !text.utf8.containsControlCharacter
            && segments.allSatisfy { !$0.hasSuffix(".") && !$0.utf8.hasTwoPeriods }
        guard isPath else {
            throw .badField(
                option,
                "expected a path of 1 to \(maximumPathBytes) bytes without control characters, in which no part "
                    + "ends in a period or holds two in a row")
        }
        return segments.joined(separator: "/")
    }
}

/// What the adapter has from outside beside the network.
package struct HashiCorpDependencies: Sendable {
    package let clock: any Clock
    package let random: any RandomSource
    /// Ends early, by throwing, when its task is cancelled.
    package let sleep: @Sendable (Duration) async throws -> Void
    /// The bytes of a file that holds a token or a secret id, by a deadline. Must not
    /// block the thread: it may be a reactor's.
    package let readFile: @Sendable (HashiCorpOptions.File, BootInstant) async throws(Failure) -> Secret

    package init(
        clock: any Clock = SystemClock(), random: any RandomSource = SystemRandom(),
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        readFile: @escaping @Sendable (HashiCorpOptions.File, BootInstant) async throws(Failure) -> Secret
    ) {
        self.clock = clock
        self.random = random
        self.sleep = sleep
        self.readFile = readFile
    }

    /// From `low` to 1.
    func jitter(from low: Double) -> Double {
        let number = random.bytes(2).reduce(0) { $0 << 8 | Int($1) }
        return low + (1 - low) * Double(number) / 65_535
    }

    /// Sleeps, but not beyond the deadline; false if that has come or the task was cancelled.
    func pause(_ duration: Duration, until deadline: BootInstant) async -> Bool {
        guard clock.boot + duration < deadline else { return false }
        return (try? await sleep(duration)) != nil
    }
}
