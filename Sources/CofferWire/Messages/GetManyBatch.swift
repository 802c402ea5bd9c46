package import CofferCore

/// Collects results of a GetMany into one response of bounded size.
package struct GetManyBatch: ~Copyable {
    /// The largest payload.
    private let limit: Int
    private let buffer = ByteBuffer(capacity: 4_096)

    package init(limit: Int) { self.limit = limit }

    package var isEmpty: Bool { buffer.isEmpty }
    /// Bytes of the response so far.
    package var count: Int { buffer.count }

    /// Adds a result unless it does not fit beside what is there; a first one
    /// always goes in.
    package func append(index: Int, record: Secret, tail: GetResponseTail) -> Bool {
        let scratch = ByteBuffer(capacity: GetResponseTail.maximumBytes)
        scratch.commit(tail.write(to: scratch.reserve(GetResponseTail.maximumBytes)))
        return append(
            index: index, status: .ok, field: 3, bodyBytes: record.count + scratch.count
        ) { buffer in
            record.withUnsafeBytes { buffer.append($0) }
            buffer.append(scratch.bytes)
        }
    }

    /// As above, for a key that has failed.
    package func append(index: Int, failure: Failure) -> Bool {
        let message = ReplyMessages.failure(failure)
        return append(index: index, status: failure.code, field: 4, bodyBytes: message.count) { buffer in
            message.withUnsafeBytes { buffer.append($0) }
        }
    }

    /// The response so far; the batch is empty afterwards.
    package func finish() -> Secret {
        defer { buffer.wipe() }
        return Secret(copying: buffer.bytes)
    }

    private func append(
        index: Int, status: StatusCode, field: UInt64, bodyBytes: Int, body: (ByteBuffer) -> Void
    ) -> Bool {
        let inner = ByteBuffer(capacity: 32)
        inner.appendVarint(1 << 3)
        inner.appendVarint(UInt64(index))
        if status != .ok {
            inner.appendVarint(2 << 3)
            inner.appendVarint(UInt64(status.rawValue))
        }
        inner.appendVarint(field << 3 | 2)
        inner.appendVarint(UInt64(bodyBytes))
        guard buffer.isEmpty || buffer.count + inner.count + bodyBytes + 11 <= limit else { return false }
        buffer.appendVarint(1 << 3 | 2)
        buffer.appendVarint(UInt64(inner.count + bodyBytes))
        buffer.append(inner.bytes)
        body(buffer)
        return true
    }
}

extension ByteBuffer {
    func appendVarint(_ value: UInt64) {
        commit(Varint.write(value, to: reserve(10)))
    }
}
