import SwiftProtobuf

/// One frame's bytes, header and payload in one piece, wiped when it goes.
///
/// As swift-protobuf's bag of bytes it is the payload alone, so that messages
/// are encoded straight behind the header and decoded from where they arrived.
final class Frame: SwiftProtobufContiguousBytes, @unchecked Sendable {
    // One owner at a time: whoever encodes it, then one connection's queue (under
    // that connection's lock), or the reader's thread, then the call it answers.
    private let memory: UnsafeMutableRawBufferPointer

    /// A frame with room for `count` bytes of payload.
    init(repeating byte: UInt8, count: Int) {
        memory = .allocate(byteCount: FrameHeader.byteCount + count, alignment: 16)
        memory.initializeMemory(as: UInt8.self, repeating: byte)
    }

    convenience init<S: Sequence>(_ payload: S) where S.Element == UInt8 {
        let bytes = Array(payload)
        self.init(repeating: 0, count: bytes.count)
        withUnsafeMutableBytes { $0.copyBytes(from: bytes) }
    }

    /// A copy of a whole frame.
    init(copying frame: UnsafeRawBufferPointer) {
        memory = .allocate(byteCount: frame.count, alignment: 16)
        memory.copyMemory(from: frame)
    }

    /// A frame without payload.
    convenience init(_ header: FrameHeader) {
        self.init(repeating: 0, count: 0)
        setHeader(header)
    }

    deinit {
        wipe(memory)
        memory.deallocate()
    }

    /// Header and payload.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(memory) }

    /// The size of the payload.
    var count: Int { memory.count - FrameHeader.byteCount }

    func setHeader(_ header: FrameHeader) { header.store(to: memory) }

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(rebasing: memory[FrameHeader.byteCount...]))
    }

    func withUnsafeMutableBytes<R>(
        _ body: (UnsafeMutableRawBufferPointer) throws -> R
    ) rethrows -> R {
        try body(UnsafeMutableRawBufferPointer(rebasing: memory[FrameHeader.byteCount...]))
    }
}
