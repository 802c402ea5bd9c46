import Glibc
import Testing

@testable import CofferDaemon

@Suite struct HandedOverSocketTests {
    private func offer(_ environment: [String: String]) throws(StartupError) -> HandedOverSocket.Offer? {
        try HandedOverSocket.offer(in: environment, to: 42)
    }

    @Test func takesOneSocketForThisProcess() throws {
        #expect(try offer(["LISTEN_PID": "42", "LISTEN_FDS": "1"]) == .init(name: nil))
        #expect(try offer(["LISTEN_PID": "42", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "coffer"]) == .init(name: "coffer"))
        #expect(try offer(["LISTEN_PID": "42", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a:b"]) == .init(name: nil))
    }

    @Test func takesNothingThatIsForNobodyOrForAnother() throws {
        #expect(try offer([:]) == nil)
        #expect(try offer(["LISTEN_FDS": "1"]) == nil)
        #expect(try offer(["LISTEN_PID": "42"]) == nil)
        #expect(try offer(["LISTEN_PID": "41", "LISTEN_FDS": "2"]) == nil)
    }

    @Test(arguments: [
        (["LISTEN_PID": "me", "LISTEN_FDS": "1"], "LISTEN_PID"),
        (["LISTEN_PID": "-42", "LISTEN_FDS": "1"], "LISTEN_PID"),
        (["LISTEN_PID": "42", "LISTEN_FDS": "0"], "LISTEN_FDS"),
        (["LISTEN_PID": "42", "LISTEN_FDS": "1x"], "LISTEN_FDS"),
        (["LISTEN_PID": "42", "LISTEN_FDS": ""], "LISTEN_FDS"),
        (["LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"], "got 2 (a, b)"),
        (["LISTEN_PID": "42", "LISTEN_FDS": "3"], "got 3;"),
    ])
    func refusesWhatIsNotOneSocket(environment: [String: String], words: String) {
        do throws(StartupError) {
            _ = try offer(environment)
            Issue.record("it was accepted")
        } catch {
            #expect(error.message.contains(words))
            #expect(error.exitCode == StartupError.configurationExitCode)
        }
    }

    @Test func refusesADescriptorThatIsNoSocket() throws {
        let descriptor = open("/dev/null", O_RDONLY)
        defer { close(descriptor) }
        #expect(throws: StartupError.self) { try HandedOverSocket(descriptor) }
        #expect(throws: StartupError.self) { try HandedOverSocket(-1) }
    }

    @Test func takesTheVariablesOutOfTheEnvironment() throws {
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { setenv(name, "1", 1) }
        #expect(try HandedOverSocket.take() == nil, "another process's was taken")
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { #expect(getenv(name) == nil) }
    }
}
