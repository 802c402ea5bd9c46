import Synchronization

/// Another source's bytes, fetched many at a time, for what becomes public, as salts
/// do: a system call for each takes longer than all else about it.
package final class BufferedRandom: RandomSource {
    private struct Buffer {
        var bytes: [UInt8] = []
        /// The first byte that was not given out.
        var next = 0
    }

    private static let byteCount = 1_024

    private let source: any RandomSource
    private let buffer = Mutex(Buffer())

    package init(_ source: some RandomSource) { self.source = source }

    package func bytes(_ count: Int) -> [UInt8] {
        guard count <= Self.byteCount else { return source.bytes(count) }
        return buffer.withLock { buffer in
            if buffer.bytes.count - buffer.next < count { buffer = Buffer(bytes: source.bytes(Self.byteCount)) }
            defer { buffer.next += count }
            return Array(buffer.bytes[buffer.next..<buffer.next + count])
        }
    }
}
