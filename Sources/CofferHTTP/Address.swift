internal import Glibc

/// An IP address, as far as a rule looks at it.
struct Address: Equatable {
    enum Kind: Equatable {
        case ordinary
        case loopback
        /// Link-local, where clouds keep the credentials of the machine.
        case linkLocal
        /// Not an address of one host: unspecified, multicast, broadcast.
        case unusable
    }

    /// An IPv4 address is in the last four, behind zeros.
    let bytes: [UInt8]
    let isVersion6: Bool

    init(bytes: [UInt8], isVersion6: Bool) {
        self.bytes = bytes
        self.isVersion6 = isVersion6
    }

    /// Reads four decimal parts, or IPv6 without a zone.
    init?(literal text: String) {
        var bytes = [UInt8](repeating: 0, count: 16)
        let isVersion6 = text.contains(":")
        let result = bytes.withUnsafeMutableBytes { region in
            isVersion6
                ? inet_pton(AF_INET6, text, region.baseAddress)
                : inet_pton(AF_INET, text, region.baseAddress.map { $0 + 12 })
        }
        guard result == 1 else { return nil }
        self.init(bytes: bytes, isVersion6: isVersion6)
    }

    var kind: Kind {
        if !isVersion6 { return kindOfVersion4 }
        let begins = { (prefix: [UInt8]) in bytes.starts(with: prefix) }
        if bytes == [UInt8](repeating: 0, count: 15) + [1] { return .loopback }
        // IPv4 in disguise: mapped, compatible, translated (64:ff9b::/96), 6to4.
        let zeros = [UInt8](repeating: 0, count: 10)
        if begins(zeros + [0xff, 0xff]) || begins(zeros + [0, 0])
            || begins([0, 0x64, 0xff, 0x9b] + zeros.dropLast(2))
        {
            return kindOfVersion4
        }
        if begins([0x20, 0x02]) {
            return Address(bytes: [UInt8](repeating: 0, count: 12) + bytes[2..<6], isVersion6: false).kind
        }
        if bytes[0] == 0xfe && bytes[1] & 0xc0 == 0x80 { return .linkLocal }
        if begins([0xfd, 0x00, 0x0e, 0xc2]) { return .linkLocal }
        return bytes[0] == 0xff ? .unusable : .ordinary
    }

    private var kindOfVersion4: Kind {
        switch (bytes[12], bytes[13]) {
        case (127, _): .loopback
        case (169, 254): .linkLocal
        case (0, _), (224..., _): .unusable
        default: .ordinary
        }
    }
}

/// Which resolved addresses a client may connect to.
struct AddressPolicy: Equatable {
    var allowsLoopback: Bool
    var allowsLinkLocal: Bool
    /// Without TLS, and without leave for it: this machine only.
    var demandsLoopback: Bool

    /// Why the address is refused, in fixed words; nil = allowed.
    func refusal(of address: Address) -> String? {
        switch address.kind {
        case .unusable:
            return "the name resolves to an address that is not of one host"
        case .loopback where !allowsLoopback:
            return "the name resolves to a loopback address; name localhost, or allow loopback for this vault"
        case .linkLocal where !allowsLinkLocal:
            return "the name resolves to a link-local or metadata address; allow link-local for this vault if it is meant"
        case .ordinary, .linkLocal:
            return demandsLoopback ? "plain http to another machine; use https, or allow plain http" : nil
        case .loopback:
            return nil
        }
    }
}
