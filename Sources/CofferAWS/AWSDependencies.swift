package import CofferCore
package import CofferHTTP
internal import CofferVaultKit

/// What AWS is found through: everything that is not passed in a configuration.
package struct AWSDependencies: Sendable {
    /// An environment variable; nil if it is not set.
    package let variable: @Sendable (String) -> Secret?
    /// A whole file, links followed; nil if it is not there. Throws for one that
    /// cannot be read, or is larger than is plausible: 1 MiB. For the start, as it may block.
    package let file: @Sendable (String) throws(Failure) -> Secret?
    /// The same by a deadline, without blocking the thread.
    package let fileLater: @Sendable (String, BootInstant) async throws(Failure) -> Secret?
    /// Reaches a place. Called once for each; what it returns is kept.
    package let transport: @Sendable (AWSPlace) throws(Failure) -> any HTTPTransport
    /// Lets time pass, and ends early when the task is cancelled.
    package let pause: @Sendable (Duration) async -> Void

    package init(
        variable: @escaping @Sendable (String) -> Secret?,
        file: @escaping @Sendable (String) throws(Failure) -> Secret?,
        fileLater: (@Sendable (String, BootInstant) async throws(Failure) -> Secret?)? = nil,
        transport: @escaping @Sendable (AWSPlace) throws(Failure) -> any HTTPTransport,
        pause: @escaping @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
    ) {
        self.variable = variable
        self.file = file
        if let fileLater {
            self.fileLater = fileLater
        } else {
            self.fileLater = { (path, _) async throws(Failure) -> Secret? in try file(path) }
        }
        self.transport = transport
        self.pause = pause
    }

    /// A variable that is no secret; an empty one is as good as unset.
    func text(_ name: String) -> String? {
        variable(name).flatMap(\.text).flatMap { $0.isEmpty ? nil : $0 }
    }

    /// A variable that may be secret; an empty one is as good as unset.
    func secret(_ name: String) -> Secret? { variable(name).flatMap { $0.count > 0 ? $0 : nil } }

    func isTrue(_ name: String) -> Bool { text(name)?.lowercased() == "true" }

    /// These, with files that have been read already.
    func with(files: [String: Secret]) -> AWSDependencies {
        AWSDependencies(
            variable: variable, file: { files[$0] }, fileLater: fileLater, transport: transport, pause: pause)
    }

    /// Where a file is, with `~/` for $HOME.
    func path(_ variable: String, default place: String) -> String? {
        let path = text(variable) ?? place
        guard path.hasPrefix("~/") else { return path }
        return text("HOME").map { $0 + path.dropFirst(1) }
    }
}

/// A server that the adapter talks to.
package struct AWSPlace: Hashable, Sendable {
    /// How it is to be reached.
    package enum Kind: Hashable, Sendable {
        /// A public service: by TLS, through the configured proxy if there is one.
        case service
        /// The container's or the instance's credentials: by plain HTTP to an
        /// address of this host or link, never through a proxy.
        case local
    }

    package let kind: Kind
    package let origin: HTTPOrigin

    package init(_ kind: Kind, _ origin: HTTPOrigin) {
        self.kind = kind
        self.origin = origin
    }
}
