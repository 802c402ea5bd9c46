internal import CofferCore

/// How to reach one service, and what is allowed on the way there.
package struct HTTPEndpoint: Sendable, Equatable {
    /// Where requests go, and the name that the certificate must have.
    package var origin: HTTPOrigin
    /// Connect to this Unix socket instead of the origin's host.
    package var unixSocket: String?
    /// Further nodes of the service, for ``HTTPRequest/origin``.
    package var allowedOrigins: Set<HTTPOrigin> = []
    /// PEM; its authorities are trusted and no others. nil = the system's.
    package var authorityFile: String?
    /// PEM files, both or none.
    package var certificateFile: String?
    package var certificateKeyFile: String?
    /// What these files hold, if it was read already; else libcurl reads them.
    package var files: TLSFiles?
    /// The name sent and checked in TLS instead of the origin's host.
    package var serverName: String?
    /// Plain http beyond loopback and Unix sockets: whoever is on the way reads the credentials.
    package var allowsPlainHTTP = false
    /// 169.254.0.0/16, fe80::/10, fd00:ec2::/32: where clouds keep the machine's credentials.
    package var allowsLinkLocal = false
    /// A name other than localhost may resolve to this machine.
    package var allowsLoopback = false
    /// Asked for a tunnel (CONNECT); the rules for resolved addresses then
    /// apply to the proxy. nil = none: the environment is never asked.
    package var proxy: HTTPOrigin?
    /// Largest body of an answer, in bytes; 1 to 1 GiB.
    package var maximumResponseBytes = 4 << 20
    /// Until TCP and TLS stand. Longer than a vault's time for an attempt is unless set: else either
    /// might end it, and a vault that hangs would now and then be one that nobody can connect to.
    package var connectTimeout: Duration = .seconds(10)
    /// An answer slower than this many bytes per second ...
    package var lowSpeedBytesPerSecond = 16
    /// ... for so long is given up. In whole seconds; 0 = never.
    package var lowSpeedTime: Duration = .seconds(20)
    /// A kept connection is not used again after this idle time; whole seconds.
    package var maximumIdle: Duration = .seconds(50)
    /// ... nor this long after it was made, so that new certificates and addresses are seen.
    package var maximumLifetime: Duration = .seconds(600)
    /// Further requests wait, within their deadlines: each has a connection to itself.
    package var maximumConnections = 16

    /// What `maximumConnections` may be.
    package static let connectionLimits = 1...1_000

    package init(origin: HTTPOrigin) { self.origin = origin }

    /// - Throws: INVALID_ARGUMENT with the setting, its rule and what to do.
    func validate() throws(Failure) {
        for origin in [origin] + allowedOrigins.sorted(by: { $0.url < $1.url }) {
            guard origin.isWellFormed else {
                throw .badField("url", "the host is a name in lower case or an IP address, with a port from 1")
            }
            guard origin.isSecure || allowsPlainHTTP || unixSocket != nil || origin.isLoopback else {
                throw .badField(
                    "url", "expected https: without TLS anyone on the network path can read the secrets")
            }
        }
        if let proxy, !proxy.isWellFormed { throw .badField("proxy", "expected http://host:port") }
        guard proxy == nil || unixSocket == nil else {
            throw .badField("proxy", "a Unix socket is not reached through a proxy; set one of them")
        }
        try validateFiles()
        try validateNumbers()
    }

    private func validateFiles() throws(Failure) {
        guard (certificateFile == nil) == (certificateKeyFile == nil) else {
            throw .badField("certificate", "a client certificate needs its file and its key file; set both")
        }
        let paths = [
            ("unix_socket", unixSocket), ("ca_file", authorityFile), ("certificate_file", certificateFile),
            ("certificate_key_file", certificateKeyFile),
        ]
        for case (let field, let path?) in paths where !path.hasPrefix("/") || path.utf8.contains(0) {
            throw .badField(field, "expected an absolute path")
        }
        if let unixSocket, unixSocket.utf8.count > 107 {
            throw .badField("unix_socket", "\(unixSocket.utf8.count) bytes, at most 107")
        }
        if let serverName, !HTTPOrigin(isSecure: true, host: serverName, port: 443).isWellFormed {
            throw .badField("server_name", "expected a host name in lower case")
        }
    }

    private func validateNumbers() throws(Failure) {
        guard (1...(1 << 30)).contains(maximumResponseBytes) else {
            throw .badField("maximum_response_bytes", "\(maximumResponseBytes), allowed are 1 to 1073741824")
        }
        guard Self.connectionLimits.contains(maximumConnections) else {
            throw .badField("maximum_connections", "\(maximumConnections), allowed are 1 to 1000")
        }
        let times = [
            ("connect_timeout", connectTimeout), ("maximum_idle", maximumIdle),
            ("maximum_lifetime", maximumLifetime),
        ]
        for (field, time) in times where time < .milliseconds(1) || time > .seconds(86400) {
            throw .badField(field, "\(time), allowed are 1 ms to 1 day")
        }
        guard lowSpeedTime >= .zero, lowSpeedTime <= .seconds(86400),
            (0...1_000_000_000).contains(lowSpeedBytesPerSecond)
        else { throw .badField("low_speed", "allowed are 0 to 1 day, and 0 to 1000000000 bytes") }
    }

    /// What a resolved address is held against for a request to `target`.
    func addressPolicy(for target: HTTPOrigin) -> AddressPolicy {
        let named = proxy ?? target
        let demandsLoopback = !target.isSecure && !allowsPlainHTTP
        return AddressPolicy(
            allowsLoopback: allowsLoopback || named.isLoopback, allowsLinkLocal: allowsLinkLocal,
            demandsLoopback: demandsLoopback)
    }
}
