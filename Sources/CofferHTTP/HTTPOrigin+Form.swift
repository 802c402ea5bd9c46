extension HTTPOrigin {
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
    package var authority: String {
        port == (isSecure ? 443 : 80) ? authorityHost : "\(authorityHost):\(port)"
    }

    var url: String { "\(isSecure ? "https" : "http")://\(authorityHost):\(port)" }

    /// The host is a link-local address by its very text: the metadata of a cloud's instance.
    package var isLinkLocal: Bool { Address(literal: host)?.kind == .linkLocal }

    /// The host is this machine by its very text. A name that leads to it is not.
    package var isLoopback: Bool {
        host == "localhost" || Address(literal: host)?.kind == .loopback
    }
}
