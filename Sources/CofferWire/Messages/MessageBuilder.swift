import CLinux
import CProtobufC
import CofferCore
import Glibc

/// Memory for the parts of one outgoing message while protobuf-c packs it;
/// wiped and freed with it.
final class MessageBuilder {
    // One thread uses a builder; checks that no two do cost more than its work.

    /// Has room for the parts of nearly every message but a listing.
    private static let chunkBytes = 512
    /// malloc(3)'s own: enough for every C type.
    private static let alignment = 16

    @exclusivity(unchecked) private var chunk: UnsafeMutableRawBufferPointer
    /// How many bytes of `chunk` are parts.
    @exclusivity(unchecked) private var used = 0
    @exclusivity(unchecked) private var fullChunks: [UnsafeMutableRawBufferPointer] = []

    init() { chunk = Self.makeChunk(Self.chunkBytes) }

    deinit {
        for full in fullChunks { Self.release(full, used: full.count) }
        Self.release(chunk, used: used)
    }

    /// Zeros.
    func allocate(_ count: Int) -> UnsafeMutableRawPointer {
        let size = (max(1, count) + Self.alignment - 1) & ~(Self.alignment - 1)
        if size > chunk.count - used { addChunk(size) }
        let part = chunk.baseAddress! + used
        used += size
        memset(part, 0, size)
        return part
    }

    private func addChunk(_ size: Int) {
        fullChunks.append(chunk)
        chunk = Self.makeChunk(max(size, 2 * chunk.count))
        used = 0
    }

    private static func makeChunk(_ count: Int) -> UnsafeMutableRawBufferPointer {
        guard let start = malloc(count) else { fatalError("out of memory: \(count) bytes for a message") }
        return UnsafeMutableRawBufferPointer(start: start, count: count)
    }

    private static func release(_ chunk: UnsafeMutableRawBufferPointer, used: Int) {
        coffer_wipe(chunk.baseAddress!, used)
        free(chunk.baseAddress)
    }

    /// The text with a NUL behind it.
    func string(_ text: String) -> UnsafeMutablePointer<CChar> {
        var text = text
        return text.withUTF8 { utf8 in
            let copy = allocate(utf8.count + 1)
            if let base = utf8.baseAddress { copy.copyMemory(from: base, byteCount: utf8.count) }
            return copy.assumingMemoryBound(to: CChar.self)
        }
    }

    /// A message of type `M`, set up by protoc-c's init function.
    func message<M>(_ type: M.Type, _ initialize: (UnsafeMutablePointer<M>?) -> Void) -> UnsafeMutablePointer<M> {
        let message = allocate(MemoryLayout<M>.size).assumingMemoryBound(to: M.self)
        initialize(message)
        return message
    }

    /// An array of pointers to messages, as protobuf-c's repeated fields want it.
    func pointers<M>(_ messages: [UnsafeMutablePointer<M>]) -> UnsafeMutablePointer<UnsafeMutablePointer<M>?>? {
        guard !messages.isEmpty else { return nil }
        let array = allocate(messages.count * MemoryLayout<UnsafeRawPointer>.size)
            .assumingMemoryBound(to: UnsafeMutablePointer<M>?.self)
        for (index, message) in messages.enumerated() { array[index] = message }
        return array
    }

    /// The encoded message.
    func pack<M>(_ message: UnsafeMutablePointer<M>) -> Secret {
        // Every message of protobuf-c begins with its ProtobufCMessage.
        let base = UnsafeMutableRawPointer(message).assumingMemoryBound(to: ProtobufCMessage.self)
        return Secret(count: protobuf_c_message_get_packed_size(base)) { region in
            guard let out = region.baseAddress else { return }
            protobuf_c_message_pack(base, out.assumingMemoryBound(to: UInt8.self))
        }
    }
}
