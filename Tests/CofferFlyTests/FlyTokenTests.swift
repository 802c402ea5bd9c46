import CofferCore
import CofferVaultKit
import Testing

@testable import CofferFly

/// Section 5.5 of what is known of the API.
@Suite struct FlyTokenTests {
    @Test(arguments: [
        ("plain-oauth", "Bearer plain-oauth"), ("Bearer plain-oauth\n", "Bearer plain-oauth"), ("fm2_abc", "FlyV1 fm2_abc"),
        ("FlyV1 fm2_abc,fm1a_def", "FlyV1 fm2_abc,fm1a_def"), ("Bearer FlyV1 fm1r_x", "FlyV1 fm1r_x"),
        ("FlyV1 FlyV1 fm2_x\r\n", "FlyV1 fm2_x"), ("plain-oauth,fm2_abc", "FlyV1 fm2_abc"), ("a,b", "Bearer a,b"),
    ])
    func aTokenGetsItsScheme(_ text: String, _ header: String) throws {
        #expect(try FlyToken.checked(Secret(text), from: "FLY_API_TOKEN").text == header)
    }

    @Test(arguments: ["", "\n", "FlyV1 ", "two words", "a,,b", "tök", "a\tb", String(repeating: "x", count: 16_385)])
    func whatIsNoTokenIsRefusedWithoutBeingShown(_ text: String) {
        let failure = #expect(throws: Failure.self) { try FlyToken.checked(Secret(text), from: "/run/token") }
        #expect(failure?.code == .failedPrecondition && failure?.message.hasPrefix("/run/token: expected one API token") == true)
        #expect(text.count < 3 || failure?.message.contains(text) == false)
    }

    @Test func aReloadReplacesTheToken() throws {
        let token = FlyToken(try FlyToken.checked(Secret("one"), from: "f"))
        #expect(try token.replace(by: Secret("one\n"), from: "f") == false)
        #expect(throws: Failure.self) { try token.replace(by: Secret("no token"), from: "f") }
        #expect(token.authorization.text == "Bearer one")
        #expect(try token.replace(by: Secret("fm2_two"), from: "f"))
        #expect(token.authorization.text == "FlyV1 fm2_two")
    }
}
