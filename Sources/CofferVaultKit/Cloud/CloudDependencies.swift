package import CofferCore
internal import CofferCrypto
package import CofferHTTP
internal import Synchronization

/// What a cloud is found through: everything that is not passed in a configuration.
package struct CloudDependencies: Sendable {
    /// An environment variable; nil if it is not set.
    package let variable: @Sendable (String) -> String?
    /// A variable that is a secret, which is not in the environment any more; nil if it is not set or empty.
    package let secret: @Sendable (String) -> Secret?
    /// A whole file, links followed; nil if it is not there. Throws for one that cannot be read, and for one with a
    /// key that others may read. For the start, as it may block.
    package let file: @Sendable (String, FileKind) throws(Failure) -> Secret?
    /// The same by a deadline, without blocking the thread.
    package let fileLater: @Sendable (String, FileKind, BootInstant) async throws(Failure) -> Secret?
    /// Reaches a place. Called once for each; what it returns is kept.
    package let transport: @Sendable (CloudPlace) throws(Failure) -> any HTTPTransport
    /// Lets time pass, and ends early when the task is cancelled.
    package let pause: @Sendable (Duration) async -> Void

    /// Who may read a file.
    package enum FileKind: Sendable {
        /// It holds a key or a password.
        case secret
        /// A platform has laid it out, or it holds no secret of its own.
        case platform

        fileprivate var rule: ProtectedFile.Rule {
            switch self {
            case .secret: .secret
            case .platform: .platform
            }
        }
    }

    package init(
        variable: @escaping @Sendable (String) -> String?,
        secret: @escaping @Sendable (String) -> Secret? = { _ in nil },
        file: @escaping @Sendable (String, FileKind) throws(Failure) -> Secret?,
        fileLater: (@Sendable (String, FileKind, BootInstant) async throws(Failure) -> Secret?)? = nil,
        transport: @escaping @Sendable (CloudPlace) throws(Failure) -> any HTTPTransport,
        pause: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
    ) {
        self.variable = variable
        self.secret = secret
        self.file = file
        if let fileLater {
            self.fileLater = fileLater
        } else {
            self.fileLater = { (path, kind, _) async throws(Failure) -> Secret? in try file(path, kind) }
        }
        self.transport = transport
        self.pause = pause
    }

    /// As a daemon has them.
    package init(_ vault: VaultConfiguration, _ context: VaultContext) throws(Failure) {
        let files = try context.tlsFiles(vault)
        self.init(
            variable: { context.variable($0)?.withoutLineEnd.text },
            secret: { name in context.secret([name]).flatMap { $0.count > 0 ? $0.withoutLineEnd : nil } },
            file: { path, kind throws(Failure) in try context.readFile(path, kind.rule) },
            fileLater: { path, kind, deadline async throws(Failure) in
                try await context.readFileLater(path, kind.rule, deadline)
            },
            transport: { place throws(Failure) in try context.connect(place.endpoint(vault, files)) })
    }

    /// A variable; an empty one is as good as unset.
    package func text(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }
}

/// A server that the adapter talks to.
package struct CloudPlace: Hashable, Sendable {
    /// How it is to be reached.
    package enum Kind: Hashable, Sendable {
        /// The vault itself: with the vault's own settings of TLS, through the configured proxy if there is one.
        case service
        /// A server of tokens: its certificate is checked by the system's authorities and its own name, and it is shown
        /// no certificate of the vault's. Through the configured proxy if there is one.
        case tokens
        /// The configured token endpoint: as `tokens`, but by the vault's authorities.
        case tokenEndpoint
        /// The instance's metadata or a source of identity on this host or link: plain HTTP is allowed, and it is
        /// never reached through a proxy.
        case local
    }

    package let kind: Kind
    package let origin: HTTPOrigin

    package init(_ kind: Kind, _ origin: HTTPOrigin) {
        self.kind = kind
        self.origin = origin
    }
}

extension CloudPlace {
    /// The way there.
    ///
    /// - Parameter files: those of the vault's `RemoteSettings`; nil = none.
    package func endpoint(_ vault: VaultConfiguration, _ files: TLSFiles?) -> HTTPEndpoint {
        switch kind {
        case .service: return HTTPEndpoint(origin, vault, files)
        case .tokens, .tokenEndpoint:
            var endpoint = HTTPEndpoint(origin, vault, nil)
            // What is the vault's server's alone.
            (endpoint.serverName, endpoint.certificateFile, endpoint.certificateKeyFile) = (nil, nil, nil)
            if kind == .tokens { endpoint.authorityFile = nil }
            return endpoint
        case .local:
            var endpoint = HTTPEndpoint(origin: origin)
            endpoint.allowsPlainHTTP = true
            endpoint.allowsLinkLocal = true
            endpoint.connectTimeout = .seconds(2)
            return endpoint
        }
    }
}

/// One transport for each place, made at its first use and kept.
package final class CloudTransports: Sendable {
    private let make: @Sendable (CloudPlace) throws(Failure) -> any HTTPTransport
    private let made = Mutex<[CloudPlace: any HTTPTransport]>([:])

    package init(_ dependencies: CloudDependencies) { make = dependencies.transport }

    package func transport(to place: CloudPlace) throws(Failure) -> any HTTPTransport {
        try made.withLock { made throws(Failure) in
            if let transport = made[place] { return transport }
            let transport = try make(place)
            made[place] = transport
            return transport
        }
    }
}
