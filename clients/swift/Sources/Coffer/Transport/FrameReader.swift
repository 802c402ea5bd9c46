/// Cuts what arrives into frames. Pure: somebody else reads the socket.
///
/// Memory grows with what has arrived, never to what a length announces, and is
/// wiped behind the frames that were taken.
struct FrameReader: ~Copyable {
    private static let initialBytes = 16 << 10

    private let maximumFrameBytes: Int
    private var memory: UnsafeMutableRawBufferPointer
    /// Where the bytes not yet taken begin and end.
    private var start = 0
    private var end = 0

    init(maximumFrameBytes: Int) {
        self.maximumFrameBytes = maximumFrameBytes
        memory = .allocate(byteCount: Self.initialBytes, alignment: 16)
    }

    deinit {
        wipe(memory)
        memory.deallocate()
    }

    /// Lets `fill` write behind the last byte; it says how many it wrote, and nil
    /// if it has none now.
    mutating func append<E: Error>(
        _ fill: (UnsafeMutableRawBufferPointer) throws(E) -> Int?
    ) throws(E) -> Int? {
        makeRoom()
        let count = try fill(UnsafeMutableRawBufferPointer(rebasing: memory[end...]))
        end += count ?? 0
        return count
    }

    /// The next whole frame; nil = more bytes are needed.
    ///
    /// - Throws: INTERNAL for a length that no frame of this protocol has.
    mutating func next() throws(CofferError) -> (FrameHeader, Frame)? {
        let waiting = UnsafeRawBufferPointer(rebasing: memory[start..<end])
        guard waiting.count >= 4 else { return nil }
        let length = UInt32(bigEndian: waiting.loadUnaligned(as: UInt32.self))
        guard length >= FrameHeader.countedBytes else {
            throw .protocolViolation("a frame's length field is at least 20, got \(length)")
        }
        guard length <= maximumFrameBytes - 4 else {
            throw .protocolViolation(
                "a response of \(UInt64(length) + 4) bytes was announced, at most \(maximumFrameBytes) are accepted",
                .frameTooLarge)
        }
        let frameBytes = 4 + Int(length)
        guard waiting.count >= frameBytes else { return nil }
        let bytes = UnsafeRawBufferPointer(rebasing: waiting[..<frameBytes])
        let frame = (FrameHeader(loading: bytes), Frame(copying: bytes))
        wipe(UnsafeMutableRawBufferPointer(rebasing: memory[start..<start + frameBytes]))
        start += frameBytes
        return frame
    }

    private mutating func makeRoom() {
        if start == end {
            (start, end) = (0, 0)
            if memory.count > 4 * Self.initialBytes { resize(to: Self.initialBytes) }
        } else if end == memory.count && start > 0 {
            resize(to: memory.count)
        } else if end == memory.count {
            resize(to: min(2 * memory.count, max(memory.count + 1, maximumFrameBytes)))
        }
    }

    /// Moves the waiting bytes to the front of new memory.
    private mutating func resize(to byteCount: Int) {
        let moved = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 16)
        moved.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[start..<end]))
        wipe(memory)
        memory.deallocate()
        memory = moved
        (start, end) = (0, end - start)
    }
}
