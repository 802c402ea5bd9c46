import CofferCore
import CofferVault
import Testing

@testable import CofferCloudflare

@Suite struct CloudflareTokenTests {
    private func text(_ secret: Secret) -> String { secret.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }

    @Test func aLineEndIsNoPartOfIt() throws {
        let token = CloudflareToken(try CloudflareToken.checked(Secret("abc\n"), from: "/t"))
        #expect(text(token.authorization) == "Bearer abc")
    }

    @Test(arguments: ["", "\n", "a b", "a\nb", "tökens", String(repeating: "a", count: 4_097)])
    func whatIsNoTokenIsRefusedAndNotTold(content: String) {
        let failure = #expect(throws: Failure.self) { try CloudflareToken.checked(Secret(content), from: "/t") }
        #expect(failure?.message.hasPrefix("/t: expected one API token") == true)
        #expect(content.count < 3 || failure?.message.contains(content) == false)
    }

    @Test func aReloadReplacesItUnlessThereIsNone() throws {
        let token = CloudflareToken(Secret("one"))
        #expect(try token.replace(by: Secret("one\n"), from: "/t") == false)
        #expect(try token.replace(by: Secret("two"), from: "/t"))
        #expect(throws: Failure.self) { try token.replace(by: Secret(""), from: "/t") }
        #expect(text(token.authorization) == "Bearer two")
    }
}
