internal import CofferCore
internal import CofferCrypto
internal import CofferHTTP
internal import CofferVaultKit

/// What a 401 asks for: `WWW-Authenticate: Bearer authorization="https://login…/TENANT", resource="https://vault.azure.net"`.
struct AzureChallenge: Equatable {
    /// What tokens are asked for, without a path; nil if it does not say.
    let resource: HTTPOrigin?
    let tenant: String?
    /// JSON that the request of the next token is to repeat (Continuous Access Evaluation).
    let claims: String?

    /// Trusts nothing.
    ///
    /// - Returns: nil for a header that is no such challenge.
    init?(_ header: String?) {
        guard let header, header.utf8.count <= 8_192, header.prefix(7).lowercased() == "bearer " else { return nil }
        let parameters = Self.parameters(header.dropFirst(7))
        let authority = parameters["authorization"] ?? parameters["authorization_uri"]
        tenant = authority.flatMap(HTTPURL.init).flatMap { url in
            let first = url.path.dropFirst().prefix { $0 != "/" && $0 != "?" }
            return Self.isTenant(String(first)) ? String(first) : nil
        }
        resource = (parameters["scope"] ?? parameters["resource"]).flatMap { HTTPURL($0)?.origin }
        claims = parameters["claims"].flatMap(Self.decoded)
        guard resource != nil || claims != nil else { return nil }
    }

    /// An id, or a domain's name.
    @Sendable static func isTenant(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count) && !text.hasPrefix(".")
            && text.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    }

    /// The server is a part of what tokens are asked for: else they would be good for others' vaults.
    static func isPart(_ server: HTTPOrigin, of resource: HTTPOrigin) -> Bool {
        server.isSecure && resource.isSecure && server.host.hasSuffix("." + resource.host)
    }

    /// `name="value"`, or without quotes, with commas between them.
    private static func parameters(_ text: Substring) -> [String: String] {
        var found: [String: String] = [:]
        var rest = text
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].drop { $0 == " " || $0 == "," }
            rest = rest[equals...].dropFirst()
            let isQuoted = rest.first == "\""
            if isQuoted { rest = rest.dropFirst() }
            let value = rest.prefix { isQuoted ? $0 != "\"" : $0 != "," }
            rest = rest[value.endIndex...].dropFirst(isQuoted ? 1 : 0)
            found[name.lowercased()] = String(value)
        }
        return found
    }

    private static func decoded(_ text: String) -> String? {
        let digits = text.utf8.filter { $0 != UInt8(ascii: "=") }.map { digit in
            switch digit {
            case UInt8(ascii: "+"): UInt8(ascii: "-")
            case UInt8(ascii: "/"): UInt8(ascii: "_")
            default: digit
            }
        }
        guard let bytes = Base64URL.bytes(digits[...]), let claims = String(validating: bytes, as: UTF8.self),
            (try? JSON.parse(Secret(claims)))?.members != nil
        else { return nil }
        return claims
    }
}
