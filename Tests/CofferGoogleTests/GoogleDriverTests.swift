import CofferCore
import CofferHTTP
import CofferVaultKit
import Testing

@testable import CofferGoogle

/// How each server is reached.
@Suite struct GoogleDriverTests {
    /// The service's own name in TLS and the vault's certificate are for the service alone.
    @Test func serversOfTokensAreNotShownWhatIsForTheService() throws {
        var vault = VaultConfiguration(name: "cloud", driver: GoogleDriver())
        let settings = [
            "server_name": "vault.example", "ca_file": "/ca.pem", "client_certificate_file": "/c.pem", "client_key_file": "/k.pem",
            "proxy": "http://proxy.example:3128",
        ]
        for (name, text) in settings { #expect(try #require(vault.setting(name), "\(name)").apply([text], &vault), "\(name)") }
        let origin = HTTPOrigin(isSecure: true, host: "h.example", port: 443)
        func way(_ kind: CloudPlace.Kind) -> HTTPEndpoint { CloudPlace(kind, origin).endpoint(vault, nil) }
        let service = way(.service)
        #expect(service.serverName == "vault.example" && service.authorityFile == "/ca.pem")
        #expect(service.certificateFile == "/c.pem" && service.certificateKeyFile == "/k.pem" && service.proxy != nil)
        for kind in [CloudPlace.Kind.tokens, .tokenEndpoint, .local] {
            let other = way(kind)
            #expect(other.serverName == nil && other.certificateFile == nil && other.certificateKeyFile == nil && other.files == nil)
            #expect(other.authorityFile == (kind == .tokenEndpoint ? "/ca.pem" : nil))
            #expect((other.proxy != nil) == (kind != .local))
        }
    }
}
