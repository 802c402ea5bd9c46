import Glibc

/// A secret's bytes, outside of Swift's arrays and strings, wiped when the last
/// reference goes.
///
/// Immutable, so it may cross tasks; handing it on copies nothing. Printing it
/// shows its size only. The bytes are lent inside a closure: whoever copies them
/// into a String, Data or array makes a copy that nobody wipes.
///
/// What is not covered: on the way in and out, swift-protobuf keeps the bytes in
/// a `Data` for the length of one encoding or decoding. The client overwrites
/// that `Data` at once afterwards, as well as its own frames, but cannot reach
/// copies that the library might make inside. Memory is not locked: what the
/// system swaps out is on the disk.
public final class Credential: @unchecked Sendable {
    // Written only by init, before the reference is shared.
    private let memory: UnsafeMutableRawBufferPointer

    /// The size in bytes.
    public var count: Int { memory.count }

    /// Copies `bytes`, for instance `text.utf8`; wiping the source is its owner's task.
    public convenience init(_ bytes: some Collection<UInt8>) {
        self.init(count: bytes.count) { memory in memory.copyBytes(from: bytes) }
    }

    /// Allocates `count` bytes and lets `fill` write them; unwritten ones are 0.
    public init(count: Int, fill: (UnsafeMutableRawBufferPointer) -> Void) {
        memory = .allocate(byteCount: count, alignment: 16)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        fill(memory)
    }

    deinit {
        wipe(memory)
        memory.deallocate()
    }

    /// Lends the bytes to code that uses no pointers.
    public func withBytes<Result, E: Error>(
        _ body: (RawSpan) throws(E) -> Result
    ) throws(E) -> Result {
        try body(UnsafeRawBufferPointer(memory).bytes)
    }

    /// Lends the bytes as a pointer, for the length of the closure.
    public func withUnsafeBytes<Result, E: Error>(
        _ body: (UnsafeRawBufferPointer) throws(E) -> Result
    ) throws(E) -> Result {
        try body(UnsafeRawBufferPointer(memory))
    }
}

extension Credential: Equatable {
    /// Whether both hold the same bytes; takes the same time wherever they differ.
    public static func == (left: Credential, right: Credential) -> Bool {
        guard left.count == right.count else { return false }
        var difference: UInt8 = 0
        for index in 0..<left.count { difference |= left.memory[index] ^ right.memory[index] }
        return difference == 0
    }
}

extension Credential: CustomStringConvertible, CustomReflectable {
    /// The size, never the bytes.
    public var description: String { "<credential, \(count) bytes>" }
    /// Empty, so that `dump` shows nothing either.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Overwrites memory; the compiler does not optimise it away.
func wipe(_ memory: UnsafeMutableRawBufferPointer) {
    if let base = memory.baseAddress { explicit_bzero(base, memory.count) }
}
