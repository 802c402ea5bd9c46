internal import CofferHTTP

extension HTTPOrigin {
    /// Where an absolute URL leads; nil for any other text.
    init?(ofURL url: String) {
        guard url.utf8.count <= 4096 else { return nil }
        let isSecure = url.hasPrefix("https://")
        guard isSecure || url.hasPrefix("http://") else { return nil }
        let authority = url.dropFirst(isSecure ? 8 : 7).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        var (host, port): (Substring, Substring?) = (authority, nil)
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[authority.index(after: authority.startIndex)..<end]
            let rest = authority[authority.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { return nil }
            port = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            port = authority[authority.index(after: colon)...]
        }
        let number = port.map { UInt16($0) } ?? (isSecure ? 443 : 80)
        let allowed = host.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "@") }
        guard let number, number > 0, !host.isEmpty, allowed else { return nil }
        self.init(isSecure: isSecure, host: host.lowercased(), port: number)
    }
}
