package import CofferCore
package import CofferHTTP
internal import Synchronization

/// What Google is found through: everything that is not passed in a configuration.
package struct GoogleDependencies: Sendable {
    /// An environment variable; nil if it is not set.
    package let variable: @Sendable (String) -> String?
    /// A whole file, links followed; nil if it is not there. Throws for one that cannot be read, and for one with a
    /// key that others may read. For the start, as it may block.
    package let file: @Sendable (String, FileKind) throws(Failure) -> Secret?
    /// The same by a deadline, without blocking the thread.
    package let fileLater: @Sendable (String, FileKind, BootInstant) async throws(Failure) -> Secret?
    /// Reaches a place. Called once for each; what it returns is kept.
    package let transport: @Sendable (GooglePlace) throws(Failure) -> any HTTPTransport
    /// Lets time pass, and ends early when the task is cancelled.
    package let pause: @Sendable (Duration) async -> Void

    /// Who may read a file.
    package enum FileKind: Sendable {
        /// It holds a key or a password.
        case secret
        /// A platform has laid it out, or it holds no secret of its own.
        case platform
    }

    package init(
        variable: @escaping @Sendable (String) -> String?,
        file: @escaping @Sendable (String, FileKind) throws(Failure) -> Secret?,
        fileLater: (@Sendable (String, FileKind, BootInstant) async throws(Failure) -> Secret?)? = nil,
        transport: @escaping @Sendable (GooglePlace) throws(Failure) -> any HTTPTransport,
        pause: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
    ) {
        self.variable = variable
        self.file = file
        if let fileLater {
            self.fileLater = fileLater
        } else {
            self.fileLater = { (path, kind, _) async throws(Failure) -> Secret? in try file(path, kind) }
        }
        self.transport = transport
        self.pause = pause
    }

    /// A variable; an empty one is as good as unset.
    func text(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }
}

/// A server that the adapter talks to.
package struct GooglePlace: Hashable, Sendable {
    /// How it is to be reached.
    package enum Kind: Hashable, Sendable {
        /// Secret Manager: with the vault's own settings of TLS, through the configured proxy if there is one.
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

/// One transport for each place, made at its first use and kept.
final class GoogleTransports: Sendable {
    private let make: @Sendable (GooglePlace) throws(Failure) -> any HTTPTransport
    private let made = Mutex<[GooglePlace: any HTTPTransport]>([:])

    init(_ dependencies: GoogleDependencies) { make = dependencies.transport }

    func transport(to place: GooglePlace) throws(Failure) -> any HTTPTransport {
        try made.withLock { made throws(Failure) in
            if let transport = made[place] { return transport }
            let transport = try make(place)
            made[place] = transport
            return transport
        }
    }
}
