import CofferCore
import Glibc
import Testing

@testable import CofferHTTP

@Suite struct HTTPPartsTests {
    @Test(
        "a host is taken that means one thing",
        arguments: [
            ("vault.example", "https://vault.example:8200"), ("a_b-c.example", "https://a_b-c.example:8200"),
            ("127.0.0.1", "https://127.0.0.1:8200"), ("::1", "https://[::1]:8200"), ("fd00::1", "https://[fd00::1]:8200"),
        ])
    func host(_ host: String, _ url: String) {
        let origin = HTTPOrigin(isSecure: true, host: host, port: 8200)
        #expect(origin.isWellFormed)
        #expect(origin.url == url)
        #expect(!HTTPOrigin(isSecure: true, host: host, port: 0).isWellFormed)
    }

    @Test(
        "what is no host is refused",
        arguments: [
            "", "Vault.example", "a/b", "a?b", "a#b", "u@a", "u:p@a", "a:1", "[::1]", "[::1", "fe80::1%25lo", "ü", "a b",
            "a\n", "2130706433", "127.1", "0x7f.1", "1.2.3.4.5", ".a", "-a", "a..b", "a\0b", "a\\b",
            String(repeating: "a", count: 254),
        ])
    func noHost(_ host: String) {
        #expect(!HTTPOrigin(isSecure: true, host: host, port: 443).isWellFormed)
    }

    @Test(
        "addresses by kind",
        arguments: [
            ("127.0.0.1", Address.Kind.loopback), ("127.9.9.9", .loopback), ("::1", .loopback),
            ("::ffff:127.0.0.1", .loopback), ("::127.0.0.1", .loopback), ("64:ff9b::7f00:1", .loopback),
            ("2002:7f00:1::", .loopback),
            ("169.254.169.254", .linkLocal), ("::ffff:169.254.1.1", .linkLocal), ("fe80::1", .linkLocal),
            ("febf::1", .linkLocal), ("fd00:ec2::254", .linkLocal),
            ("0.0.0.0", .unusable), ("::", .unusable), ("224.0.0.1", .unusable), ("255.255.255.255", .unusable),
            ("ff02::1", .unusable),
            ("10.0.0.1", .ordinary), ("169.253.1.1", .ordinary), ("fec0::1", .ordinary), ("fd00:ec3::1", .ordinary),
            ("2001:db8::1", .ordinary),
        ])
    func addressKind(_ text: String, _ kind: Address.Kind) {
        #expect(Address(literal: text)?.kind == kind)
    }

    @Test(
        "which address a policy allows",
        arguments: [
            ("10.0.0.1", false, false, false, true), ("10.0.0.1", true, true, true, false),
            ("127.0.0.1", false, true, false, false), ("127.0.0.1", true, false, true, true),
            ("169.254.169.254", true, false, false, false), ("169.254.169.254", false, true, false, true),
            ("169.254.169.254", true, true, true, false), ("0.0.0.0", true, true, false, false),
        ])
    func policy(_ text: String, _ loopback: Bool, _ linkLocal: Bool, _ demands: Bool, _ isAllowed: Bool) throws {
        let policy = AddressPolicy(allowsLoopback: loopback, allowsLinkLocal: linkLocal, demandsLoopback: demands)
        #expect((policy.refusal(of: try #require(Address(literal: text))) == nil) == isAllowed)
    }

    struct UnsafeEndpoint: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let change: @Sendable (inout HTTPEndpoint) -> Void

        init(_ field: String, _ change: @escaping @Sendable (inout HTTPEndpoint) -> Void) {
            (testDescription, self.change) = (field, change)
        }
    }

    @Test(
        "an endpoint that would not be safe is refused",
        arguments: [
            UnsafeEndpoint("url") { $0.origin = HTTPOrigin(isSecure: false, host: "vault.example", port: 80) },
            UnsafeEndpoint("url") {
                $0.allowedOrigins = [HTTPOrigin(isSecure: false, host: "vault.example", port: 80)]
            },
            UnsafeEndpoint("url") { $0.origin = HTTPOrigin(isSecure: true, host: "a/b", port: 80) },
            UnsafeEndpoint("proxy") { ($0.proxy, $0.unixSocket) = ($0.origin, "/run/a") },
            UnsafeEndpoint("certificate") { $0.certificateFile = "/a" },
            UnsafeEndpoint("ca_file") { $0.authorityFile = "relative" },
            UnsafeEndpoint("server_name") { $0.serverName = "a\r\nb" },
            UnsafeEndpoint("maximum_response_bytes") { $0.maximumResponseBytes = 0 },
            UnsafeEndpoint("maximum_connections") { $0.maximumConnections = 0 },
            UnsafeEndpoint("connect_timeout") { $0.connectTimeout = .zero },
        ])
    func endpoint(_ unsafe: UnsafeEndpoint) {
        var endpoint = HTTPEndpoint(origin: HTTPOrigin(isSecure: true, host: "vault.example", port: 443))
        unsafe.change(&endpoint)
        let failure = failure { () throws(Failure) in try endpoint.validate() }
        #expect(failure?.message.hasPrefix("\(unsafe.testDescription): ") == true)
    }

    private func failure(_ body: () throws(Failure) -> Void) -> Failure? {
        do {
            try body()
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "every cause is a failure with a code, a reason and advice",
        arguments: [
            (HTTPError.Cause.deadline, StatusCode.deadlineExceeded, Failure.Reason.deadline, true),
            (.cancelled, .cancelled, .cancelled, false), (.unresolved, .unavailable, .vaultUnreachable, true),
            (.refused, .unavailable, .vaultUnreachable, true), (.interrupted, .unavailable, .vaultUnreachable, true),
            (.malformed, .unavailable, .vaultUnreachable, true), (.idle, .unavailable, .vaultUnreachable, true), (.closed, .unavailable, .draining, true),
            (.untrusted, .failedPrecondition, .vaultUnreachable, false),
            (.unknownAuthority, .failedPrecondition, .vaultUnreachable, false),
            (.wrongName, .failedPrecondition, .vaultUnreachable, false),
            (.outdated, .failedPrecondition, .vaultUnreachable, false),
            (.plaintext, .failedPrecondition, .vaultUnreachable, false),
            (.forbidden("a rule"), .failedPrecondition, .vaultUnreachable, false),
            (.tooLarge(limit: 9), .unavailable, .vaultFailed, false),
        ])
    func failures(_ cause: HTTPError.Cause, _ code: StatusCode, _ reason: Failure.Reason, _ retryable: Bool) {
        for isUnsent in [true, false] {
            let failure = HTTPError(cause, isUnsent: isUnsent).failure(vault: "main")
            #expect(failure.code == code)
            #expect(failure.reason == reason)
            #expect(failure.retryable == retryable)
            #expect(failure.vault == "main")
            #expect(failure.isUnsent == isUnsent)
        }
    }

    @Test("each fault of a certificate names what to correct")
    func certificateFaults() {
        let advice = [
            (HTTPError.Cause.unknownAuthority, "set ca_file"), (.wrongName, "set server_name"), (.outdated, "this host's clock"),
            (.plaintext, "does not speak TLS"),
        ]
        for (cause, words) in advice {
            let message = HTTPError(cause, isUnsent: true).failure(vault: "main").message
            #expect(message.contains(words))
            #expect(advice.filter { message.contains($0.1) }.count == 1, "\(message)")
        }
    }

    @Test("a body that grows is whole, and over its limit refused")
    func responseBuffer() {
        var buffer = ResponseBuffer(limit: 5000)
        let piece = [UInt8](repeating: 7, count: 300)
        for _ in 0..<16 { #expect(piece.withUnsafeBytes { buffer.append($0, announced: -1) }) }
        #expect(piece.withUnsafeBytes { buffer.append($0, announced: -1) } == false)
        #expect(
            buffer.secret().isEqual(
                to: SecretWriter.build(count: 4800) { writer in
                    for _ in 0..<2400 { writer.append(UInt16(0x0707)) }
                }))
        var announced = ResponseBuffer(limit: 10)
        #expect(piece.prefix(1).withUnsafeBytes { announced.append($0, announced: 11) } == false)
    }
}
