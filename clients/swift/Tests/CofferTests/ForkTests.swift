import Glibc
import Synchronization
import Testing

@testable import Coffer

@Suite("After fork")
struct ForkTests {
    /// Counts what a second process on one connection would do: call ids that do
    /// not grow, or frames that are none.
    private final class Watch: Sendable {
        let strange = Mutex(0)

        func serve(_ peer: FakePeer, _: Int) throws {
            var last: UInt64 = 0
            while true {
                let request = try peer.read()
                let isCancel = request.header.kind == FrameKind.cancel.rawValue
                guard request.header.kind == FrameKind.request.rawValue, request.header.callID > last else {
                    if !isCancel { strange.withLock { $0 += 1 } }
                    continue
                }
                last = request.header.callID
                try peer.respond(request.header.callID, try echo(request))
            }
        }
    }

    @Test("parent and child have a connection each, under load", .timeLimit(.minutes(2)))
    func underLoad() async throws {
        let watch = Watch()
        let daemon = FakeDaemon { try watch.serve($0, $1) }
        defer { daemon.stop() }
        let status = try await run(probe(), daemon.path)
        #expect(status == 0, "a process had the answer of another, or none")
        #expect(watch.strange.withLock(\.self) == 0)
        #expect(daemon.connectionCount == 21)
    }

    /// Beside this program.
    private func probe() throws -> String {
        var path = [UInt8](repeating: 0, count: 4_096)
        let count = path.withUnsafeMutableBytes {
            readlink("/proc/self/exe", $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
        }
        try #require(count > 0)
        let own = String(decoding: path[..<count], as: UTF8.self)
        return own.prefix(through: try #require(own.lastIndex(of: "/"))) + "coffer-fork-probe"
    }

    /// The status that waitpid(2) gives; the program ends itself after 50 s.
    private func run(_ program: String, _ argument: String) async throws -> Int32 {
        var process: pid_t = 0
        var arguments = [strdup(program), strdup(argument), nil]
        defer { for argument in arguments { free(argument) } }
        try #require(posix_spawn(&process, program, nil, nil, &arguments, environ) == 0, "no \(program)")
        var status: Int32 = 0
        while waitpid(process, &status, WNOHANG) == 0 { try await Task.sleep(for: .milliseconds(5)) }
        return status
    }
}
