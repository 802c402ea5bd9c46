import Foundation
import Testing

/// The committed inputs, by target.
enum Corpus {
    struct Input: CustomTestStringConvertible, Sendable {
        let name: String
        let bytes: [UInt8]

        var testDescription: String { name }
    }

    private static let folder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Corpus")

    static func inputs(_ target: String) throws -> [Input] {
        let folder = folder.appending(path: target)
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { name in
            Input(name: name, bytes: [UInt8](try Data(contentsOf: folder.appending(path: name))))
        }
    }
}

/// Runs `body` on a thread of its own: what it gives to Swift concurrency is
/// then its own too.
func onThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        let thread = Thread { continuation.resume(with: Result(catching: body)) }
        thread.stackSize = 8 << 20
        thread.start()
    }
}
