/// Where a server is: scheme, host and port, without a path.
package struct HTTPOrigin: Hashable, Sendable {
    /// TLS is used: the scheme is https.
    package let isSecure: Bool
    /// A name in lower case, an IPv4 address, or an IPv6 address without brackets.
    package let host: String
    package let port: UInt16

    package init(isSecure: Bool, host: String, port: UInt16) {
        self.isSecure = isSecure
        self.host = host
        self.port = port
    }
}
