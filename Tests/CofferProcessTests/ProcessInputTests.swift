import Glibc
import Testing

@testable import CofferProcess

@Suite struct ProcessInputTests {
    @Test func utf8IsTakenAsItIs() throws {
        let bytes: [CChar] = "andré".utf8.map { CChar(bitPattern: $0) } + [0]
        #expect(try ProcessInput.text(bytes, "argument 1") == "andré")
    }

    @Test(arguments: [[0xe9], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xf5, 0x80, 0x80, 0x80]] as [[UInt8]])
    func otherBytesAreRefusedAndNotRepeated(bytes: [UInt8]) {
        let text = (Array("andr".utf8) + bytes + [0]).map { CChar(bitPattern: $0) }
        let error = #expect(throws: InvalidText.self) { try ProcessInput.text(text, "argument 2") }
        #expect(
            error?.description
                == "argument 2: expected UTF-8, got other bytes; check the encoding of the terminal or the script")
    }

    @Test func variableIsReadRaw() throws {
        #expect(try ProcessInput.variable("COFFER_TEST_UNSET") == nil)
        setenv("COFFER_TEST_LATIN", "\u{fffd}", 1)
        #expect(try ProcessInput.variable("COFFER_TEST_LATIN") == "\u{fffd}")
        let latin: [CChar] = [CChar(bitPattern: 0xe9), 0]
        setenv("COFFER_TEST_LATIN", latin, 1)
        defer { unsetenv("COFFER_TEST_LATIN") }
        #expect(throws: InvalidText(place: "COFFER_TEST_LATIN")) { try ProcessInput.variable("COFFER_TEST_LATIN") }
    }
}
