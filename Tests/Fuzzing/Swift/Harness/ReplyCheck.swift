import CProtobufC
import CofferCore
import CofferMessages
import CofferServer
import CofferWire

/// Judges what the daemon sent: whole frames, each request answered once, each
/// answer a message of the type that it should be.
struct ReplyCheck {
    private let ids: [UInt64: [UInt32?]]

    init(_ expected: ExpectedReplies) {
        ids = expected.replies.reduce(into: [:]) { $0[$1.callID, default: []].append($1.method) }
        self.expected = expected
    }

    private let expected: ExpectedReplies

    /// Nil, or what is wrong with the output.
    func violation(in output: [UInt8]) -> String? {
        var rest = output[...]
        var answered: [UInt64: Int] = [:]
        while !rest.isEmpty {
            if Self.isTextAnswer(rest) {
                return expected.endsInText ? missing(answered) : "text was answered to frames"
            }
            guard rest.count >= FrameHeader.byteCount else { return "half a header was sent" }
            let header = rest.withUnsafeBytes { FrameHeader(loading: $0.baseAddress!) }
            let payloadBytes = Int(header.length) - FrameHeader.countedBytes
            guard header.version == 1, header.kind == FrameKind.response.rawValue,
                header.flags & ~FrameHeader.moreFlag == 0, payloadBytes >= 0,
                rest.count >= FrameHeader.byteCount + payloadBytes
            else { return "not a response frame: \(header)" }
            let payload = Array(rest.dropFirst(FrameHeader.byteCount).prefix(payloadBytes))
            rest = rest.dropFirst(FrameHeader.byteCount + payloadBytes)
            if let violation = check(header, payload) { return violation }
            if header.flags == 0 { answered[header.callID, default: 0] += 1 }
        }
        return expected.endsInText ? "text was not answered" : missing(answered)
    }

    private static func isTextAnswer(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.starts(with: "This is a Coffer socket".utf8) || bytes.starts(with: "HTTP/1.1 400".utf8)
    }

    private func missing(_ answered: [UInt64: Int]) -> String? {
        for (id, times) in answered where times > ids[id]?.count ?? 0 {
            return "call id \(id) came \(ids[id]?.count ?? 0) times and was answered \(times) times"
        }
        if let last = expected.closing {
            return answered[last] == nil ? "the frame that closes was not answered" : nil
        }
        if expected.endsInText { return nil }
        for (id, methods) in ids where answered[id] != methods.count {
            return "call id \(id) came \(methods.count) times and was answered \(answered[id] ?? 0) times"
        }
        return nil
    }

    private func check(_ header: FrameHeader, _ payload: [UInt8]) -> String? {
        guard let status = StatusCode(rawValue: header.methodOrStatus) else {
            return "status \(header.methodOrStatus) is none of ours"
        }
        guard status == .ok else {
            return Self.failureViolation(payload)
        }
        // With a call id that came twice it is not known whose answer this is.
        guard let methods = ids[header.callID], methods.count == 1, let method = methods[0] else { return nil }
        guard let descriptor = Self.output(of: method) else { return "method \(method) succeeded" }
        return Self.decodes(payload, descriptor) ? nil : "the answer of method \(method) does not decode"
    }

    private static func output(of method: UInt32) -> UnsafePointer<ProtobufCMessageDescriptor>? {
        if let method = CredentialsMethod(rawValue: method) {
            let index = CredentialsMethod.allCases.firstIndex(of: method)!
            return coffer__v1__credentials__descriptor.methods[index].output
        }
        if let method = AdminMethod(rawValue: method) {
            let index = AdminMethod.allCases.firstIndex(of: method)!
            return coffer__v1__admin__descriptor.methods[index].output
        }
        return nil
    }

    private static func decodes(
        _ payload: [UInt8], _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>
    ) -> Bool {
        guard let message = protobuf_c_message_unpack(descriptor, nil, payload.count, payload) else {
            return false
        }
        protobuf_c_message_free_unpacked(message, nil)
        return true
    }

    private static func failureViolation(_ payload: [UInt8]) -> String? {
        guard let failure = coffer__v1__failure__unpack(nil, payload.count, payload) else {
            return "a failure does not decode"
        }
        defer { coffer__v1__failure__free_unpacked(failure, nil) }
        let text = String(cString: failure.pointee.message)
        guard Failure.Reason(rawValue: Int32(failure.pointee.reason.rawValue)) != nil else {
            return "reason \(failure.pointee.reason) is none of ours"
        }
        return (1...1_024).contains(text.utf8.count)
            ? nil : "a failure's text has \(text.utf8.count) bytes: \(text)"
    }
}
