import CofferCore
import CofferHTTP
import Foundation
import Testing

/// Nothing in the environment changes where a request goes or whom it trusts.
/// Each in a process of its own: libcurl reads some variables once only.
@Suite struct EnvironmentTests {
    /// What libcurl and OpenSSL would obey, in a folder that has all the files.
    private static func poison(folder: String, proxy: UInt16) {
        for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            setenv(name, "http://127.0.0.1:\(proxy)", 1)
        }
        for name in ["SSL_CERT_FILE", "CURL_CA_BUNDLE"] { setenv(name, folder + "/other.pem", 1) }
        setenv("SSLKEYLOGFILE", folder + "/keys.log", 1)
        setenv("CURL_HOME", folder, 1)
        setenv("HOME", folder, 1)
        setenv("OPENSSL_CONF", folder + "/openssl.cnf", 1)
    }

    private static func write(_ text: String, to path: String) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    @Test("proxies, certificate files, key logs, .netrc and .curlrc are not obeyed")
    func environmentIsNotObeyed() async throws {
        let servers = try HostileServers.shared.get()
        let (folder, port) = (servers.folder, servers.ports["environment"] ?? 0)
        let (proxy, stranger) = (servers.ports["trap"] ?? 0, servers.ports["other_authority"] ?? 0)
        try Self.write("machine 127.0.0.1 login user password netrc-password\n", to: folder + "/.netrc")
        try Self.write("insecure\n", to: folder + "/.curlrc")
        await #expect(processExitsWith: .success) {
            [folder = folder as String, port = port as UInt16, proxy = proxy as UInt16, stranger = stranger as UInt16]
            in
            EnvironmentTests.poison(folder: folder, proxy: proxy)
            let engine = try HTTPEngine.started()
            func ending(_ port: UInt16) async throws -> Ending {
                var endpoint = HTTPEndpoint(origin: HTTPOrigin(isSecure: true, host: "127.0.0.1", port: port))
                endpoint.authorityFile = folder + "/root.pem"
                return await (try engine.client(endpoint)).ending(.get(token: "from-the-child"))
            }
            guard case .answer(status: 200, _) = try await ending(port) else {
                preconditionFailure("the server was not reached directly")
            }
            let refused = try await ending(stranger)
            precondition(refused == .error(HTTPError(.unknownAuthority, isUnsent: true)), "SSL_CERT_FILE was obeyed")
            engine.close()
        }
        let report = try await servers.report("environment")
        #expect(report.contains("from-the-child"))
        #expect(!report.contains("Authorization"))
        #expect(try await servers.report("trap").connections == 0)
        #expect(!FileManager.default.fileExists(atPath: folder + "/keys.log"))
    }
}
