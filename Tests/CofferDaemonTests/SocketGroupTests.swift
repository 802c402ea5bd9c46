import CofferProcess
import Glibc
import Testing

@testable import CofferDaemon

@Suite struct SocketGroupTests {
    @Test func namesAndNumbersAreTaken() throws {
        #expect(try SocketGroup.number("") == nil)
        #expect(try SocketGroup.number("root") == 0)
        #expect(try SocketGroup.number("4711") == 4711)
        let error = #expect(throws: StartupError.self) { try SocketGroup.number("no-such-group-here") }
        #expect(error?.message.contains("there is no group no-such-group-here") == true)
        #expect(throws: StartupError.self) { try SocketGroup.number("4294967295") }
    }

    /// A database of groups that does not answer has not said that there is no such group.
    @Test func aDatabaseThatFailsIsNotAMissingGroup() {
        let error = #expect(throws: StartupError.self) {
            try SocketGroup.number("workers") { _ throws(StreamFailure) in throw StreamFailure("cannot ask", EIO) }
        }
        #expect(error?.message.contains("cannot ask: Input/output error") == true)
        #expect(error?.message.contains("there is no group") == false)
    }
}
