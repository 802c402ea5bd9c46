internal import CofferAWS
internal import CofferAzure
internal import CofferCloudflare
package import CofferCore
internal import CofferEtcd
internal import CofferFly
internal import CofferGoogle
internal import CofferPostgres
internal import CofferVaultKit

/// How a vault names records, and what it demands of a name.
package struct NamingScheme: Sendable {
    /// Whose names these are.
    package let vault: String
    let name: @Sendable (RecordKey) -> String
    /// Whose record has a name; nil as a whole where names do not tell. The key is what the vault keeps beside the name.
    let key: (@Sendable (String, RecordKey) -> RecordKey?)?
    let legal: ClosedRange<Int>
    let isLegal: @Sendable (String) -> Bool
    /// What the guide's program, where there is one, puts before an id of letters and digits, and between two.
    let guide: (start: String, separator: String)?

    /// One for each vault on another host but HashiCorp's, whose names are paths of URLs.
    ///
    /// - Throws: INVALID_ARGUMENT if a vault refuses the prefix that it has by default.
    package static func all() throws(Failure) -> [NamingScheme] {
        [cloudflare, secretsStore, try google, try azure, etcd, postgres, try aws, fly]
    }

    private static let prefix = "ai2-connectors"

    private static var cloudflare: NamingScheme {
        let names = CloudflareKVNames(prefix: "connectors")
        return NamingScheme(
            vault: "cloudflare", name: { names.name(of: $0) }, key: { name, _ in names.key(ofName: name) }, legal: 1...512,
            // Of the survey's characters the two that do not show are the only ones that begin so.
            isLegal: { $0.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != 0xC2 && $0 != 0xE2 } }, guide: ("connectors:", ":"))
    }

    private static var secretsStore: NamingScheme {
        let names = CloudflareSecretNames(prefix: "c")
        return NamingScheme(
            vault: "cloudflare-secrets-store", name: { names.name(of: $0) }, key: nil, legal: 1...127,
            // No upper case: names that differ by it alone may be the same there.
            isLegal: { $0.utf8.allSatisfy { $0.isLowerCaseOrDigit || $0 == UInt8(ascii: "-") } }, guide: nil)
    }

    private static var google: NamingScheme {
        get throws(Failure) {
            let names = try Base32Names(prefix: prefix, rules: GoogleVault.nameRules, vault: "gcp")
            return NamingScheme(
                vault: "gcp", name: { names.name(of: $0) }, key: { name, kept in names.key(of: name) { kept } }, legal: 1...255,
                isLegal: { $0.utf8.allSatisfy { $0.isLowerCaseOrDigit || "-_".utf8.contains($0) } }, guide: nil)
        }
    }

    private static var azure: NamingScheme {
        get throws(Failure) {
            let names = try Base32Names(prefix: "c", rules: AzureVault.nameRules, vault: "azure")
            return NamingScheme(
                vault: "azure", name: { names.name(of: $0) }, key: { name, kept in names.key(of: name) { kept } }, legal: 1...127,
                // No upper case: names that differ by it alone are one there.
                isLegal: { $0.utf8.allSatisfy { $0.isLowerCaseOrDigit || $0 == UInt8(ascii: "-") } }, guide: nil)
        }
    }

    private static var etcd: NamingScheme {
        let names = EtcdNames(prefix: prefix)
        return NamingScheme(
            vault: "etcd", name: { names.name(of: $0) }, key: { name, _ in names.key(of: Array(name.utf8)) }, legal: 1...2_048,
            isLegal: isPath, guide: (prefix + "/", "/"))
    }

    private static var fly: NamingScheme {
        let names = FlyNames()
        return NamingScheme(
            vault: "fly", name: { names.name(of: $0) }, key: { name, _ in names.key(ofName: name) }, legal: 1...2_059,
            // The name of an environment variable; it begins with a letter.
            isLegal: { $0.utf8.allSatisfy { $0.isLetterOrDigit || $0 == UInt8(ascii: "_") } }, guide: (FlyNames.prefix, "_"))
    }

    private static var postgres: NamingScheme {
        let names = PostgresNames(prefix: prefix)
        return NamingScheme(
            vault: "postgres", name: { names.record($0) }, key: { name, _ in names.key(of: name) }, legal: 1...2_048,
            isLegal: isPath, guide: (prefix + "/", "/"))
    }

    private static var aws: NamingScheme {
        get throws(Failure) {
            let names = try AWSNames(prefix: prefix, vault: "aws")
            return NamingScheme(
                vault: "aws", name: { names.name(of: $0) }, key: { name, _ in names.key(ofName: name) }, legal: 1...2_048,
                // It could be taken for the end of an ARN if the seventh character from its end were a hyphen.
                isLegal: { isPath($0) && $0.utf8.suffix(7).first != UInt8(ascii: "-") }, guide: (prefix + "/", "/"))
        }
    }

    /// Three parts of printable ASCII.
    @Sendable private static func isPath(_ name: String) -> Bool {
        var slashes = 0
        for byte in name.utf8 {
            guard (0x21...0x7E).contains(byte) else { return false }
            if byte == UInt8(ascii: "/") { slashes += 1 }
        }
        return slashes == 2
    }
}

extension UInt8 {
    var isLowerCaseOrDigit: Bool { (0x61...0x7A).contains(self) || (0x30...0x39).contains(self) }
    var isLetterOrDigit: Bool { isLowerCaseOrDigit || (0x41...0x5A).contains(self) }
}
