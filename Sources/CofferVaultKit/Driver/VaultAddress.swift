/// The address of a server: `https://host`, `http://host:port`. Nothing else
/// belongs into it; a user, a path or a query is refused.
package struct VaultAddress: Equatable, Sendable {
    package let isSecure: Bool
    /// In lower case; an IPv6 address without its brackets.
    package let host: String
    package let port: UInt16

    /// Nil if the text is no such address. One slash at the end does not count.
    package init?(_ text: String) {
        var rest = text[...]
        // A scheme is written in any case: Vault's own tools read it so.
        if rest.prefix(8).lowercased() == "https://" {
            isSecure = true
            rest = rest.dropFirst(8)
        } else if rest.prefix(7).lowercased() == "http://" {
            isSecure = false
            rest = rest.dropFirst(7)
        } else {
            return nil
        }
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        var isIPv6 = false
        let name: Substring
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            isIPv6 = true
            name = rest[rest.index(after: rest.startIndex)..<end]
            rest = rest[rest.index(after: end)...]
        } else {
            name = rest.prefix { $0 != ":" }
            rest = rest.dropFirst(name.count)
        }
        guard Self.isHost(name, isIPv6: isIPv6), let port = Self.port(rest, isSecure: isSecure) else { return nil }
        host = name.lowercased()
        self.port = port
    }

    /// It is written as an address of this host. A name that leads to one is not.
    package var isLoopback: Bool {
        host == "localhost" || host == "::1" || (host.hasPrefix("127.") && Self.isIPv4(host))
    }

    private static func isHost(_ name: Substring, isIPv6: Bool) -> Bool {
        (1...253).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."): true
                case UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"): true
                case UInt8(ascii: ":"): isIPv6
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "-"), UInt8(ascii: "_"):
                    !isIPv6
                default: false
                }
            }
    }

    private static func isIPv4(_ name: String) -> Bool {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }

    /// - Parameter text: "" or ":8200".
    private static func port(_ text: Substring, isSecure: Bool) -> UInt16? {
        if text.isEmpty { return isSecure ? 443 : 80 }
        guard text.hasPrefix(":"), text.utf8.count > 1, text.dropFirst().utf8.allSatisfy({ $0 != UInt8(ascii: "+") })
        else { return nil }
        return UInt16(text.dropFirst()).flatMap { $0 == 0 ? nil : $0 }
    }
}
