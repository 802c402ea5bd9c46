import CProtobufC
import CofferWire

/// Stands between protobuf-c and an arena: counts the messages that are decoded,
/// and can give each allocation a heap block of its own.
final class AllocatorProbe {
    private let arena: Arena
    private let original: ProtobufCAllocator
    /// What the first allocation of a message gets.
    private let base: UnsafeMutableRawPointer?
    private var blocks: [UnsafeMutableRawPointer] = []
    var givesBlocks = false
    /// Messages whose decoding by protobuf-c was begun.
    private(set) var messages: UInt64 = 0

    init(_ arena: Arena) {
        self.arena = arena
        arena.reset()
        base = arena.allocate(0)
        original = arena.protobufAllocator.pointee
        arena.protobufAllocator.pointee = ProtobufCAllocator(
            alloc: { data, size in
                Unmanaged<AllocatorProbe>.fromOpaque(data!).takeUnretainedValue().allocate(size)
            },
            free: { _, _ in },
            allocator_data: Unmanaged.passUnretained(self).toOpaque())
    }

    deinit { arena.protobufAllocator.pointee = original }

    private func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        // The arena goes along, so that it refuses what it would refuse.
        guard let place = original.alloc(original.allocator_data, size) else { return nil }
        if place == base { messages += 1 }
        guard givesBlocks else { return place }
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        blocks.append(block)
        return block
    }

    /// Gives the blocks back; no message may be in use.
    func reset() {
        for block in blocks { block.deallocate() }
        blocks.removeAll(keepingCapacity: true)
    }
}
