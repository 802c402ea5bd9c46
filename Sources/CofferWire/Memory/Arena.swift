import CLinux
package import CProtobufC
package import CofferCore

/// Memory of fixed size that protobuf-c allocates from and that is given back
/// whole, wiped.
///
/// Pages are touched only as they are used, so a large capacity costs address
/// space, not memory. Belongs to one thread.
package final class Arena {
    private struct State {
        var base: UnsafeMutableRawPointer
        var capacity: Int
        var used: Int
    }

    private let state: UnsafeMutablePointer<State>
    private let allocator: UnsafeMutablePointer<ProtobufCAllocator>

    /// - Parameter capacity: bytes; a message that needs more does not decode.
    package init(capacity: Int) {
        state = .allocate(capacity: 1)
        state.initialize(
            to: State(base: .allocate(byteCount: capacity, alignment: 16), capacity: capacity, used: 0))
        allocator = .allocate(capacity: 1)
        allocator.initialize(
            to: ProtobufCAllocator(
                alloc: { data, size in
                    Arena.take(data!.assumingMemoryBound(to: State.self), size)
                },
                free: { _, _ in },
                allocator_data: state))
    }

    deinit {
        reset()
        state.pointee.base.deallocate()
        state.deallocate()
        allocator.deallocate()
    }

    /// What to pass to protobuf-c.
    package var protobufAllocator: UnsafeMutablePointer<ProtobufCAllocator> { allocator }

    /// `size` bytes, aligned to 16; nil if they do not fit.
    package func allocate(_ size: Int) -> UnsafeMutableRawPointer? { Self.take(state, size) }

    private static func take(
        _ state: UnsafeMutablePointer<State>, _ size: Int
    ) -> UnsafeMutableRawPointer? {
        let rounded = (size &+ 15) & ~15
        guard size >= 0, rounded >= size, rounded <= state.pointee.capacity - state.pointee.used else {
            return nil
        }
        defer { state.pointee.used += rounded }
        return state.pointee.base + state.pointee.used
    }

    /// Wipes and takes back all that was allocated.
    package func reset() {
        coffer_wipe(state.pointee.base, state.pointee.used)
        state.pointee.used = 0
    }

    /// Scans the payload, then decodes it here.
    ///
    /// - Returns: the message, until the next `reset`.
    /// - Throws: INVALID_ARGUMENT for what the scan refuses; RESOURCE_EXHAUSTED
    ///   if it does not fit the arena.
    package func decode<M>(
        _ payload: UnsafeRawBufferPointer, schema: MessageSchema,
        descriptor: UnsafePointer<ProtobufCMessageDescriptor>, as _: M.Type
    ) throws(Failure) -> UnsafePointer<M> {
        try MessageScanner.scan(payload, as: schema)
        let data = payload.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard let message = protobuf_c_message_unpack(descriptor, allocator, payload.count, data) else {
            throw Failure(
                .resourceExhausted, .malformed,
                "\(schema.name): does not decode within \(state.pointee.capacity) bytes of memory; send a smaller message"
            )
        }
        return UnsafeRawPointer(message).assumingMemoryBound(to: M.self)
    }
}
