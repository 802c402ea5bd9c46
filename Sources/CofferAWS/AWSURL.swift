internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// A URL without user and fragment, taken apart.
struct AWSURL: Equatable {
    let origin: HTTPOrigin
    /// Path and query; begins with "/".
    let path: String

    /// Nil for anything that is not `http(s)://host[:port][/path]` in plain characters.
    init?(_ text: String) {
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !"\"<>\\^`{|}#@".utf8.contains($0) }) else {
            return nil
        }
        let isSecure = text.prefix(8).lowercased() == "https://"
        guard isSecure || text.prefix(7).lowercased() == "http://" else { return nil }
        let rest = text.dropFirst(isSecure ? 8 : 7)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        guard let (host, port) = Self.hostAndPort(rest[..<end], default: isSecure ? 443 : 80) else { return nil }
        origin = HTTPOrigin(isSecure: isSecure, host: host, port: port)
        path = rest[end...].hasPrefix("/") ? String(rest[end...]) : "/" + rest[end...]
    }

    private static func hostAndPort(_ text: Substring, default port: UInt16) -> (String, UInt16)? {
        var host = text
        var after = text[text.endIndex...]
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { return nil }
            host = text[text.index(after: text.startIndex)..<close]
            after = text[text.index(after: close)...]
            guard host.contains(":"), host.allSatisfy({ $0.isHexDigit || $0 == ":" || $0 == "." }) else { return nil }
        } else {
            if let colon = text.firstIndex(of: ":") { (host, after) = (text[..<colon], text[colon...]) }
            guard host.utf8.allSatisfy({ AWSText.isLetterOrDigit($0) || "-._".utf8.contains($0) }) else { return nil }
        }
        guard !host.isEmpty, host.utf8.count <= 253 else { return nil }
        if after.isEmpty { return (host.lowercased(), port) }
        guard after.hasPrefix(":"), let number = UInt16(after.dropFirst()), number > 0 else { return nil }
        return (host.lowercased(), number)
    }
}

extension HTTPOrigin {
    /// As in a Host header: without the scheme's own port.
    var hostHeader: String {
        let host = host.contains(":") ? "[\(host)]" : host
        return port == (isSecure ? 443 : 80) ? host : "\(host):\(port)"
    }

    /// On this host, by its name or address.
    var isLoopback: Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}
