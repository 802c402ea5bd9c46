import CofferWire

/// What a stream of bytes must be answered with, found out the slow and simple
/// way: by PROTOCOL.md, byte by byte, over the whole stream at once.
struct ExpectedReplies {
    struct Reply: Hashable {
        let callID: UInt64
        /// Nil: a frame that never became a call.
        let method: UInt32?
    }

    /// In the order of their requests. Each is to be answered finally once,
    /// unless the stream ends in what closes the connection.
    private(set) var replies: [Reply] = []
    /// Every frame, cancels and refused ones too.
    private(set) var frames: UInt64 = 0
    /// The call id of a frame that closes the connection. It is answered; calls
    /// that still wait are not.
    private(set) var closing: UInt64?
    /// The text of some other protocol closes the connection.
    private(set) var endsInText = false

    init(to stream: ArraySlice<UInt8>, maximumFrameBytes: Int) {
        var rest = stream
        while rest.count >= 4 {
            let length = Self.number(rest.prefix(4))
            let isText = rest.prefix(4).allSatisfy {
                (32...126).contains($0) || [9, 10, 13].contains($0)
            }
            let isTooLong = length > UInt64(maximumFrameBytes - 4)
            if isTooLong && isText {
                frames += 1
                endsInText = true
                return
            }
            if length < 20 {
                frames += 1
                replies.append(Reply(callID: 0, method: nil))
                closing = 0
                return
            }
            guard rest.count >= 24 else { return }
            let header = Array(rest.prefix(24))
            let callID = Self.number(header[8..<16])
            let isRequest = header[5] == 1
            guard header[4] == 1, isRequest || header[5] == 3 else {
                frames += 1
                replies.append(Reply(callID: callID, method: nil))
                closing = callID
                return
            }
            if !isTooLong && UInt64(rest.count) < 4 + length { return }
            frames += 1
            if isTooLong {
                replies.append(Reply(callID: callID, method: nil))
            } else if isRequest {
                replies.append(
                    Reply(callID: callID, method: UInt32(Self.number(header[16..<20]))))
            }
            rest = rest.dropFirst(4 + Int(length))
        }
    }

    private static func number(_ bytes: some Sequence<UInt8>) -> UInt64 {
        bytes.reduce(0) { $0 << 8 | UInt64($1) }
    }
}
