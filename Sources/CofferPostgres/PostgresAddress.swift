internal import CofferCore
internal import CofferVaultKit

/// Where the server is and who the daemon is to it, as a connection URI says it:
/// `postgresql://user:password@host:port,host2:port2/database?sslmode=verify-full`.
///
/// Read here and not by libpq, so that `--check` needs no library, and so that nothing is taken from the environment or
/// from files of libpq's own.
struct PostgresAddress: Sendable {
    struct Host: Hashable, Sendable {
        /// A name or an address, or the folder of a Unix socket, which begins with a slash.
        let name: String
        let port: UInt16

        var isLocal: Bool { name.hasPrefix("/") }
    }

    /// What is wrong with a text.
    struct Mistake: Error, Equatable { let text: String }

    /// Where Debian's packages have the server's socket.
    static let socketFolder = "/var/run/postgresql"
    static let standardPort: UInt16 = 5432
    static let maximumHosts = 16
    static let maximumBytes = 4_096

    private(set) var hosts: [Host] = []
    private(set) var user = ""
    private(set) var database = ""
    private(set) var password: Secret?
    /// As libpq calls it: `verify-full`, `disable`, …; nil if the URI says nothing of it.
    private(set) var sslMode: String?

    /// All servers are reached by Unix sockets.
    var isLocal: Bool { hosts.allSatisfy(\.isLocal) }

    /// - Parameter uri: without what was around it in a variable or a file.
    init(_ uri: Secret) throws(Mistake) {
        guard uri.count <= Self.maximumBytes else { throw Mistake(text: "has more than \(Self.maximumBytes) bytes") }
        // The password goes into memory that is wiped; all else is no secret.
        let (password, rest) = uri.withBytes { Self.separate($0) }
        guard let rest else { throw Mistake(text: "is not UTF-8") }
        guard password?.containsNUL != true else {
            throw Mistake(text: "the password has a NUL byte (%00), which PostgreSQL refuses; choose another one")
        }
        guard let scheme = ["postgresql://", "postgres://"].first(where: rest.hasPrefix) else {
            throw Mistake(text: "expected postgresql://user@host:port/database")
        }
        self.password = password
        try read(rest.dropFirst(scheme.count))
    }

    /// - Parameter uri: of a file that is no secret.
    init(_ uri: String) throws(Mistake) {
        try self.init(Secret(uri))
        guard password == nil else { throw Mistake(text: "has a password in it; put it into password_file") }
    }

    // MARK: Reading

    /// The password, decoded, and the URI without it and its colon; nil for the latter if it is not UTF-8.
    private static func separate(_ uri: RawSpan) -> (password: Secret?, rest: String?) {
        let start = (0..<uri.byteCount).first { $0 > 1 && uri.byte(at: $0) == 0x2F && uri.byte(at: $0 - 1) == 0x2F } ?? 0
        let end = (start + 1..<max(start + 1, uri.byteCount)).first { "/?".utf8.contains(uri.byte(at: $0)) } ?? uri.byteCount
        guard let at = (start..<end).last(where: { uri.byte(at: $0) == UInt8(ascii: "@") }),
            let colon = (start..<at).first(where: { uri.byte(at: $0) == UInt8(ascii: ":") })
        else { return (nil, uri.text) }
        guard let before = uri.extracting(0..<colon).text, let after = uri.extracting(at..<uri.byteCount).text else {
            return (nil, nil)
        }
        let password = decode(uri.extracting(colon + 1..<at))
        return (password.count > 0 ? password : nil, before + after)
    }

    /// Without percent-encoding; what looks like it and is not stays as it is. In memory that is wiped: it may be
    /// the password.
    private static func decode(_ bytes: RawSpan) -> Secret {
        var (count, offset) = (0, 0)
        while offset < bytes.byteCount {
            _ = next(bytes, &offset)
            count += 1
        }
        return SecretWriter.build(count: count) { writer in
            var offset = 0
            while offset < bytes.byteCount { writer.append(next(bytes, &offset)) }
        }
    }

    private static func next(_ bytes: RawSpan, _ offset: inout Int) -> UInt8 {
        let byte = bytes.byte(at: offset)
        if byte == UInt8(ascii: "%"), offset + 2 < bytes.byteCount,
            let high = hexDigit(bytes.byte(at: offset + 1)), let low = hexDigit(bytes.byte(at: offset + 2))
        {
            offset += 3
            return high << 4 | low
        }
        offset += 1
        return byte
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        byte < 0x80 ? Character(UnicodeScalar(byte)).hexDigitValue.map { UInt8($0) } : nil
    }

    private mutating func read(_ text: Substring) throws(Mistake) {
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = parts[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        var authority = path[0]
        if let at = authority.lastIndex(of: "@") {
            user = try Self.decoded(authority[..<at])
            authority = authority[authority.index(after: at)...]
        }
        if path.count > 1 { database = try Self.decoded(path[1]) }
        var names: [String] = []
        var ports: [UInt16] = []
        for host in authority.split(separator: ",", omittingEmptySubsequences: false) where !authority.isEmpty {
            let (name, port) = try Self.host(host)
            names.append(name)
            ports.append(port)
        }
        for parameter in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
            try take(parameter, &names, &ports)
        }
        if names.isEmpty { names = [Self.socketFolder] }
        if ports.count == 1 || ports.isEmpty {
            ports = [UInt16](repeating: ports.first ?? Self.standardPort, count: names.count)
        }
        try finish(names, ports)
    }

    private mutating func finish(_ names: [String], _ ports: [UInt16]) throws(Mistake) {
        guard names.count == ports.count, names.count <= Self.maximumHosts else {
            throw Mistake(text: "expected one port, or one for each of at most \(Self.maximumHosts) hosts")
        }
        guard !user.isEmpty else { throw Mistake(text: "names no user; expected postgresql://user@host:port/database") }
        guard !database.isEmpty else {
            throw Mistake(text: "names no database; expected postgresql://user@host:port/database")
        }
        hosts = zip(names, ports).map { Host(name: $0, port: $1) }
    }

    private mutating func take(
        _ parameter: Substring, _ names: inout [String], _ ports: inout [UInt16]
    ) throws(Mistake) {
        let parts = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let value = try Self.decoded(parts.count > 1 ? parts[1] : "")
        switch parts[0] {
        case "host": names = value.split(separator: ",").map(String.init)
        case "port":
            ports = value.split(separator: ",", omittingEmptySubsequences: false).map { UInt16(digits: String($0)) ?? 0 }
            guard !ports.contains(0) else { throw Mistake(text: "port: expected numbers from 1 to 65535") }
        case "user": user = value
        case "dbname": database = value
        case "sslmode": sslMode = value
        // What others set for themselves, and changes nothing here.
        case "application_name", "connect_timeout", "target_session_attrs": break
        default:
            throw Mistake(text: "expected no parameters but host, port, user, dbname and sslmode; use the vault's settings")
        }
    }

    private static func host(_ text: Substring) throws(Mistake) -> (name: String, port: UInt16) {
        var name = text
        var port: Substring?
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            name = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { throw Mistake(text: "expected [address]:port") }
            port = rest.isEmpty ? nil : rest.dropFirst()
        } else if let colon = text.firstIndex(of: ":") {
            name = text[..<colon]
            port = text[text.index(after: colon)...]
        }
        let decoded = try decoded(name)
        guard !decoded.isEmpty else { throw Mistake(text: "a host is empty") }
        guard let port, !port.isEmpty else { return (decoded, standardPort) }
        guard let number = UInt16(digits: String(port)), number > 0 else {
            throw Mistake(text: "expected a port from 1 to 65535")
        }
        return (decoded, number)
    }

    private static func decoded(_ text: Substring) throws(Mistake) -> String {
        // A NUL would end the value in C.
        guard let plain = Secret(String(text)).withBytes({ decode($0) }).text, !plain.utf8.contains(0) else {
            throw Mistake(text: "has a part that is not UTF-8")
        }
        return plain
    }
}

extension Secret {
    /// libpq gets options that end in a NUL: one within a password would begin another option.
    var containsNUL: Bool { withBytes { bytes in (0..<bytes.byteCount).contains { bytes.byte(at: $0) == 0 } } }
}
