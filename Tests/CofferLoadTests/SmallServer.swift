import Glibc
import Testing

/// A server on a Unix socket, each connection on a thread of its own.
final class SmallServer: Sendable {
    let path: String
    private let listener: Int32
    private let answer: @Sendable (inout [UInt8]) -> [UInt8]

    /// - Parameter answer: takes whole requests off what was received, and returns
    ///   the answers to them.
    init(answer: @escaping @Sendable (_ received: inout [UInt8]) -> [UInt8]) throws {
        self.answer = answer
        path = "/tmp/small-server-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0 && listen(listener, 64) == 0)
        Self.onThread { [self] in
            while case let client = accept(listener, nil, nil), client >= 0 {
                Self.onThread { self.serve(client) }
            }
            close(listener)
        }
    }

    func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        unlink(path)
    }

    private func serve(_ client: Int32) {
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while case let count = recv(client, &buffer, buffer.count, 0), count > 0 {
            received += buffer[..<count]
            let answers = answer(&received)
            _ = send(client, answers, answers.count, Int32(MSG_NOSIGNAL))
        }
        close(client)
    }

    private static func onThread(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Box(body)).toOpaque()
        pthread_create(
            &thread, nil,
            { argument in
                Unmanaged<Box>.fromOpaque(argument!).takeRetainedValue().body()
                return nil
            }, argument)
        pthread_detach(thread)
    }

    private final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
