/// Builds a ``Secret`` of known size piece by piece, without pointers.
@usableFromInline package struct SecretWriter: ~Copyable {
    @usableFromInline let memory: UnsafeMutableRawBufferPointer
    @usableFromInline var position = 0

    /// How many bytes were appended.
    @inlinable package var written: Int { position }

    /// Lets `body` write exactly `count` bytes.
    ///
    /// Writing more traps; writing fewer leaves zeros.
    @inlinable
    package static func build<E: Error>(
        count: Int, _ body: (inout SecretWriter) throws(E) -> Void
    ) throws(E) -> Secret {
        try Secret(count: count) { region throws(E) in
            var writer = SecretWriter(memory: region)
            try body(&writer)
        }
    }

    @usableFromInline init(memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

    /// Appends an integer, most significant byte first.
    @inlinable @inline(__always)
    package mutating func append<T: FixedWidthInteger & UnsignedInteger>(_ value: T) {
        withUnsafeBytes(of: value.bigEndian) { append($0) }
    }

    @inlinable
    package mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    package mutating func append(_ bytes: RawSpan) {
        bytes.withUnsafeBytes { append($0) }
    }

    package mutating func append(_ secret: Secret) {
        secret.withUnsafeBytes { append($0) }
    }

    @inlinable @inline(__always)
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= memory.count - position, "SecretWriter: more than announced")
        guard let source = bytes.baseAddress, let base = memory.baseAddress else { return }
        (base + position).copyMemory(from: source, byteCount: bytes.count)
        position += bytes.count
    }
}
