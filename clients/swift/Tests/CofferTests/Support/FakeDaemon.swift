import FoundationEssentials
import Glibc
import SwiftProtobuf
import Synchronization
import Testing

@testable import Coffer

/// A daemon of a few lines: every connection runs the script on a thread of its
/// own, told which connection it is, from 1.
final class FakeDaemon: Sendable {
    typealias Script = @Sendable (FakePeer, Int) throws -> Void

    let path: String
    private let listener: Int32
    private let script: Script
    private let accepted = Mutex(0)
    private let stopped = Mutex(false)

    /// How many connections there have been.
    var connectionCount: Int { accepted.withLock(\.self) }

    init(path: String = FakeDaemon.freshPath(), _ script: @escaping Script) {
        self.path = path
        self.script = script
        unlink(path)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        precondition(bound == 0 && listen(listener, 128) == 0, "cannot listen at \(path)")
        onThread { $0.accept() }
    }

    deinit { close(listener) }

    /// No more connections; the socket goes.
    func stop() {
        stopped.withLock { $0 = true }
        shutdown(listener, Int32(SHUT_RDWR))
        unlink(path)
    }

    static func freshPath() -> String { "/tmp/coffer-test-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock" }

    private func accept() {
        while case let descriptor = Glibc.accept(listener, nil, nil), descriptor >= 0 {
            guard !stopped.withLock(\.self) else { close(descriptor); return }
            let peer = FakePeer(adopting: descriptor)
            let number = accepted.withLock { count in
                count += 1
                return count
            }
            // A script ends by hanging up; `Ended` is the client doing so first.
            onThread { daemon in
                try? daemon.script(peer, number)
                peer.hangUp()
            }
        }
    }

    private func onThread(_ body: @escaping @Sendable (FakeDaemon) -> Void) {
        final class Job: Sendable {
            let run: @Sendable () -> Void
            init(_ run: @escaping @Sendable () -> Void) { self.run = run }
        }
        let job = Job { body(self) }
        var thread = pthread_t()
        let result = pthread_create(
            &thread, nil,
            {
                Unmanaged<Job>.fromOpaque($0!).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(job).toOpaque())
        precondition(result == 0, "no thread")
        pthread_detach(thread)
    }
}

/// Runs the body with a client of a scripted daemon.
func withDaemon(
    _ script: @escaping FakeDaemon.Script,
    configure: (inout CofferConfiguration) -> Void = { _ in },
    _ body: (CofferClient<UnixSocketChannel>, FakeDaemon) async throws -> Void
) async throws {
    let daemon = FakeDaemon(script)
    defer { daemon.stop() }
    var configuration = CofferConfiguration(socketPath: daemon.path)
    configure(&configuration)
    let client = CofferClient(configuration: configuration)
    defer { client.close() }
    try await body(client, daemon)
}

/// Answers every Get with the connection's id as the credential.
func answerGets(_ peer: FakePeer, _: Int = 0) throws {
    while true {
        let request = try peer.read()
        try peer.respond(request.header.callID, try echo(request))
    }
}

func echo(_ request: FakePeer.Request) throws -> Coffer_V1_GetResponse {
    let get = try request.message(Coffer_V1_GetRequest.self)
    return .with {
        $0.credential.append(contentsOf: get.connectionID.utf8)
        $0.source = .memory
    }
}

extension CofferClient {
    /// Gets a credential and gives it back as text.
    func text(_ connection: String = "c", timeout: Duration? = nil) async throws -> String {
        let record = try await credential(user: "u", connection: connection, timeout: timeout)
        return record.credential.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// Expects the answer that `answerGets` gives.
    func expectEcho(_ connection: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let text = try await text(connection)
        #expect(text == connection, sourceLocation: sourceLocation)
    }
}
