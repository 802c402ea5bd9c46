import CofferWire

/// Buffers that connections borrow while bytes wait; belongs to a reactor.
struct BufferPool {
    static let bufferBytes = 64 << 10
    private static let kept = 64
    private var free: [ByteBuffer] = []

    init() { free.reserveCapacity(Self.kept) }

    /// One with room for so many bytes; a small one is made for them alone.
    mutating func take(for bytes: Int) -> ByteBuffer {
        bytes > Self.bufferBytes / 2 && bytes <= Self.bufferBytes ? take() : ByteBuffer(capacity: max(64, bytes))
    }

    mutating func take() -> ByteBuffer { free.popLast() ?? ByteBuffer(capacity: Self.bufferBytes) }

    /// Takes an empty buffer back; one that has grown is let go.
    mutating func give(_ buffer: ByteBuffer) {
        guard buffer.capacity == Self.bufferBytes, free.count < Self.kept else { return }
        free.append(buffer)
    }
}
