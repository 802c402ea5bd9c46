import CofferHTTP
import Testing

@Suite struct HTTPURLTests {
    @Test(
        arguments: [
            ("https://h", true, "h", 443, "/"), ("HTTP://H.Example:8200", false, "h.example", 8_200, "/"),
            ("http://127.0.0.1/a/b?c=d", false, "127.0.0.1", 80, "/a/b?c=d"), ("https://h?x", true, "h", 443, "/?x"),
            ("https://[FE80::1]:1/", true, "fe80::1", 1, "/"), ("https://h/a@b:c", true, "h", 443, "/a@b:c"),
        ] as [(String, Bool, String, UInt16, String)])
    func isTakenApart(text: String, isSecure: Bool, host: String, port: UInt16, path: String) throws {
        let url = try #require(HTTPURL(text))
        #expect(url.origin == HTTPOrigin(isSecure: isSecure, host: host, port: port))
        #expect(url.path == path)
    }

    @Test(arguments: [
        "", "h", "ftp://h", "https://", "https:///a", "https://u@h", "https://u:p@h/", "https://h:0", "https://h:65536",
        "https://h:+1", "https://h:", "https://h:1x", "https://[::1", "https://[h]", "https://[::1]x", "https://::1",
        "https://h/#a", "https://h /", "https://h\n", "https://ü", "https://h\\a", "https://h/{a}", "https://.h",
        "https://-h", "https://a..b", "https://127.1", "https://0x7f.1", "https://1.2.3.256",
        "https://h/" + String(repeating: "a", count: 4_096),
    ])
    func refuses(text: String) { #expect(HTTPURL(text) == nil) }

    @Test(arguments: [
        ("https://h", true), ("https://h/", true), ("https://h//", false), ("https://h/v1", false), ("https://h?a", false),
    ])
    func anAddressHasNoPath(text: String, isOne: Bool) { #expect((HTTPOrigin(address: text) != nil) == isOne) }

    @Test(
        arguments: [
            ("localhost", true), ("127.0.0.1", true), ("127.9.9.9", true), ("::1", true), ("::ffff:127.0.0.1", true),
            ("localhost.example", false), ("127.0.0.1.example", false), ("10.0.0.1", false), ("::2", false), ("loop", false),
        ])
    func knowsThisMachineByItsText(host: String, isLoopback: Bool) {
        #expect(HTTPOrigin(isSecure: false, host: host, port: 80).isLoopback == isLoopback)
    }
}
