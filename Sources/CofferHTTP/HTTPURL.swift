/// An address of a resource: `http(s)://host[:port][/path][?query]`, without user and fragment.
package struct HTTPURL: Equatable, Sendable {
    package static let maximumBytes = 4_096

    package let origin: HTTPOrigin
    /// Path and query, as they stand there; begins with "/".
    package let path: String

    /// The scheme and host in any case.
    ///
    /// - Returns: nil for any other text, for one over `maximumBytes`, and for one with characters that a URL
    ///   does not have.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.maximumBytes,
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"\"<>\\^`{|}#".utf8.contains($0) })
        else { return nil }
        let isSecure = text.prefix(8).lowercased() == "https://"
        guard isSecure || text.prefix(7).lowercased() == "http://" else { return nil }
        let rest = text.dropFirst(isSecure ? 8 : 7)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        guard let origin = Self.origin(rest[..<end], isSecure: isSecure) else { return nil }
        self.origin = origin
        path = rest[end...].hasPrefix("/") ? String(rest[end...]) : "/" + rest[end...]
    }

    private static func origin(_ authority: Substring, isSecure: Bool) -> HTTPOrigin? {
        let host: Substring
        let after: Substring
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return nil }
            host = authority.dropFirst()[..<close]
            after = authority[close...].dropFirst()
            // Between brackets there is nothing but an IPv6 address.
            guard host.contains(":") else { return nil }
        } else {
            host = authority.prefix { $0 != ":" }
            after = authority[host.endIndex...]
        }
        guard let port = port(after, default: isSecure ? 443 : 80) else { return nil }
        let origin = HTTPOrigin(isSecure: isSecure, host: host.lowercased(), port: port)
        return origin.isWellFormed ? origin : nil
    }

    /// - Parameter text: "" or ":8200".
    private static func port(_ text: Substring, default port: UInt16) -> UInt16? {
        guard let colon = text.first else { return port }
        let digits = text.dropFirst()
        guard colon == ":", digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt16(digits)
    }
}

extension HTTPOrigin {
    /// The address of a server: ``HTTPURL`` without a path and query; one slash at the end does not count.
    package init?(address text: String) {
        guard let url = HTTPURL(text), url.path == "/" else { return nil }
        self = url.origin
    }
}
