/// Decodes an OK answer whole and says what is wrong with it.
struct AnswerCheck {
    private let values: ValueCheck

    /// - Parameter valuesDiffer: false where every record has the value of record 0, as in the echo.
    init(shape: RecordShape, valuesDiffer: Bool) {
        values = ValueCheck(shape: shape, valuesDiffer: valuesDiffer)
    }

    /// Nil if the answer is right; else what is wrong, without the value.
    func fault(in message: RawSpan, method: Method, key: UInt32) -> String? {
        do {
            return switch method {
            case .get: try getFault(in: message, key: key)
            case .store: try storeFault(in: message)
            case .delete: try deleteFault(in: message)
            }
        } catch {
            return "\(method.fullName): the message of \(message.byteCount) bytes does not decode"
        }
    }

    private func getFault(
        in message: RawSpan, key: UInt32
    ) throws(FieldReader.Malformed) -> String? {
        var value: Range<Int>?
        var stamp = VersionStamp()
        var source: UInt64 = 0
        var stale = false
        var reader = FieldReader()
        while let field = try reader.next(in: message) {
            switch field {
            case .bytes(1, let range): value = range
            case .bytes(2, let range): stamp.versionBytes = range.count
            case .varint(4, let time): stamp.createdAt = time
            case .varint(5, let time): stamp.updatedAt = time
            case .varint(7, let number): source = number
            case .varint(8, _): break
            case .varint(9, let flag): stale = flag != 0
            default: return "Get: unexpected \(field)"
            }
        }
        guard let value else { return "Get: no credential" }
        if let fault = values.fault(in: message.extracting(value), key: key) { return fault }
        guard (1...3).contains(source), stale == (source == 3) else {
            return "Get: source \(source) with stale \(stale)"
        }
        return stamp.fault.map { "Get: \($0)" }
    }

    private func storeFault(in message: RawSpan) throws(FieldReader.Malformed) -> String? {
        var stamp = VersionStamp()
        var reader = FieldReader()
        while let field = try reader.next(in: message) {
            switch field {
            case .bytes(1, let range): stamp.versionBytes = range.count
            case .varint(2, let time): stamp.createdAt = time
            case .varint(3, let time): stamp.updatedAt = time
            default: return "Store: unexpected \(field)"
            }
        }
        return stamp.fault.map { "Store: \($0)" }
    }

    private func deleteFault(in message: RawSpan) throws(FieldReader.Malformed) -> String? {
        var reader = FieldReader()
        while let field = try reader.next(in: message) {
            guard case .varint(1, 0...1) = field else { return "Delete: unexpected \(field)" }
        }
        return nil
    }
}

/// What every answer about a live record that does not expire has.
private struct VersionStamp {
    var versionBytes = 0
    var createdAt: UInt64 = 0
    var updatedAt: UInt64 = 0

    var fault: String? {
        guard (1...128).contains(versionBytes) else {
            return "expected a version of 1 to 128 bytes, got \(versionBytes)"
        }
        guard createdAt > 0, updatedAt >= createdAt else {
            return "created at \(createdAt)ms, updated at \(updatedAt)ms"
        }
        return nil
    }
}
