package import CofferCore
internal import Glibc

extension HTTPOrigin {
    /// Reads "https://host:port"; the port may be missing, a "/" may follow.
    ///
    /// A path, user information, a query, a fragment, anything not ASCII and any
    /// other scheme are refused: a path prefix belongs into an adapter's own setting.
    ///
    /// - Throws: INVALID_ARGUMENT; the text is not quoted, it may hold a password.
    package init(parsing text: String) throws(Failure) {
        let isSecure: Bool
        var rest: Substring
        if text.hasPrefix("https://") {
            (isSecure, rest) = (true, text.dropFirst(8))
        } else if text.hasPrefix("http://") {
            (isSecure, rest) = (false, text.dropFirst(7))
        } else {
            throw Self.unreadable("it begins with https:// or http://")
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        let (host, port) = try Self.split(rest)
        let number = try port.map(Self.number) ?? (isSecure ? 443 : 80)
        self.init(isSecure: isSecure, host: host.lowercased(), port: number)
        guard isWellFormed else {
            throw Self.unreadable("the host is a name, an IPv4 address, or an IPv6 address in brackets, in ASCII")
        }
    }

    private static func split(_ text: Substring) throws(Failure) -> (host: Substring, port: Substring?) {
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw unreadable("an IPv6 address ends with ]") }
            let host = text[text.index(after: text.startIndex)..<end]
            let after = text[text.index(after: end)...]
            guard host.contains(":"), after.isEmpty || after.hasPrefix(":") else {
                throw unreadable("only an IPv6 address stands in brackets, and only a port follows it")
            }
            return (host, after.isEmpty ? nil : after.dropFirst())
        }
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let host = parts.first, !host.contains(where: { "/?#@\\".contains($0) }) else {
            throw unreadable("it has no path, query, fragment or user name")
        }
        return (host, parts.count > 1 ? parts[1] : nil)
    }

    private static func number(_ text: Substring) throws(Failure) -> UInt16 {
        guard text.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let port = UInt16(text), port > 0 else {
            throw unreadable("a port is a number from 1 to 65535, and nothing follows it")
        }
        return port
    }

    private static func unreadable(_ rule: String) -> Failure {
        .badField("url", "expected scheme://host:port: \(rule)")
    }

    /// The host can stand in a URL and means one thing there.
    var isWellFormed: Bool {
        guard port > 0, (1...253).contains(host.utf8.count) else { return false }
        if host.contains(":") { return Address(literal: host)?.isVersion6 == true }
        let isName = host.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard isName, !host.hasPrefix("."), !host.hasPrefix("-"), !host.contains("..") else { return false }
        // "2130706433", "127.1" and "0x7f.1" are addresses to some resolvers: an
        // address has four decimal parts here, and a name's last part is not a number.
        guard let last = host.split(separator: ".").last, last.utf8.first.map({ 0x30...0x39 ~= $0 }) == true else {
            return true
        }
        return Address(literal: host) != nil
    }

    /// The host as it stands in a URL.
    var authorityHost: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host }

    /// Host and port as the Host header has them.
    var authority: String {
        port == (isSecure ? 443 : 80) ? authorityHost : "\(authorityHost):\(port)"
    }

    var url: String { "\(isSecure ? "https" : "http")://\(authorityHost):\(port)" }

    /// The host is this machine by its very text.
    var isLiterallyLoopback: Bool {
        host == "localhost" || Address(literal: host)?.kind == .loopback
    }
}
