import CofferWire

/// Buffers that connections borrow while bytes wait; belongs to a reactor.
struct BufferPool {
    static let bufferBytes = 64 << 10
    private static let kept = 64
    private var free: [ByteBuffer] = []

    init() { free.reserveCapacity(Self.kept) }

    mutating func take() -> ByteBuffer { free.popLast() ?? ByteBuffer(capacity: Self.bufferBytes) }

    /// Takes an empty buffer back; one that has grown is let go.
    mutating func give(_ buffer: ByteBuffer) {
        guard buffer.capacity == Self.bufferBytes, free.count < Self.kept else { return }
        free.append(buffer)
    }
}
