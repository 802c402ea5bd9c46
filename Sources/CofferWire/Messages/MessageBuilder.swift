import CLinux
import CProtobufC
import CofferCore
import Glibc

/// Memory for the parts of one outgoing message while protobuf-c packs it;
/// wiped and freed with it.
final class MessageBuilder {
    private var parts: [UnsafeMutableRawBufferPointer] = []

    deinit {
        for part in parts {
            if let base = part.baseAddress { coffer_wipe(base, part.count) }
            part.deallocate()
        }
    }

    func allocate(_ count: Int) -> UnsafeMutableRawPointer {
        let part = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, count), alignment: 16)
        memset(part.baseAddress!, 0, part.count)
        parts.append(part)
        return part.baseAddress!
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
