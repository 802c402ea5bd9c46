import CLinux
import Glibc

/// Owns secret bytes outside of Swift's heap objects and wipes them when the
/// last reference goes.
///
/// A class, so that handing a secret on never copies it; immutable, so that it
/// may cross threads. It has no description: printing it shows its size only.
/// Bytes are lent inside a closure and must not be copied out of it into a
/// String, Data or array.
@usableFromInline package final class Secret: @unchecked Sendable {
    // Written only by init, before the reference is shared. What is generic here is compiled where it is used:
    // unspecialized it would look up types at every call. `@inlinable` does that only if the type is `@usableFromInline`.
    @usableFromInline let memory: UnsafeMutableRawBufferPointer

    /// The size in bytes.
    @inlinable package var count: Int { memory.count }

    /// Allocates `count` bytes and lets `fill` write them; unwritten ones are 0.
    @inlinable
    package init<E: Error>(count: Int, fill: (UnsafeMutableRawBufferPointer) throws(E) -> Void) throws(E) {
        let region = Self.take(count)
        do {
            try fill(region)
        } catch {
            Self.release(region)
            throw error
        }
        memory = region
    }

    /// Copies `bytes`; wiping the source is its owner's task.
    package convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(count: bytes.count) { $0.copyMemory(from: bytes) }
    }

    /// Copies `bytes`; wiping the source is its owner's task.
    package convenience init(copying bytes: RawSpan) {
        self.init(count: bytes.byteCount) { region in
            bytes.withUnsafeBytes { region.copyMemory(from: $0) }
        }
    }

    /// The bytes of a text, whose own memory is not wiped.
    package convenience init(_ text: String) {
        self.init(copying: text.utf8Span.span.bytes)
    }

    deinit { Self.release(memory) }

    /// Zeros. Straight from malloc(3), which Swift's own allocation of raw memory takes
    /// a detour to.
    @usableFromInline static func take(_ count: Int) -> UnsafeMutableRawBufferPointer {
        guard let start = malloc(max(1, count)) else { fatalError("out of memory: \(count) bytes for a secret") }
        memset(start, 0, count)
        return UnsafeMutableRawBufferPointer(start: start, count: count)
    }

    @usableFromInline static func release(_ region: UnsafeMutableRawBufferPointer) {
        if let base = region.baseAddress { coffer_wipe(base, region.count) }
        free(region.baseAddress)
    }

    /// Lends the bytes to code that may not use pointers.
    @inlinable
    package func withBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try body(UnsafeRawBufferPointer(memory).bytes)
    }

    /// Lends the bytes to code that calls C.
    @inlinable
    package func withUnsafeBytes<R, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> R
    ) throws(E) -> R {
        try body(UnsafeRawBufferPointer(memory))
    }

    /// Whether both hold the same bytes; takes the same time wherever they differ.
    package func isEqual(to other: Secret) -> Bool {
        guard count == other.count else { return false }
        var difference: UInt8 = 0
        for index in 0..<count { difference |= memory[index] ^ other.memory[index] }
        return difference == 0
    }
}

extension Secret: CustomStringConvertible, CustomReflectable {
    @usableFromInline package var description: String { "<secret, \(count) bytes>" }
    @usableFromInline package var customMirror: Mirror { Mirror(self, children: []) }
}
