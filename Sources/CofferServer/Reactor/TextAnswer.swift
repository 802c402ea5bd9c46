/// What a text protocol gets that has knocked by mistake.
enum TextAnswer {
    static let line: StaticString =
        "This is a Coffer socket: it speaks length-prefixed protobuf, not text. See proto/PROTOCOL.md, or use the coffer command.\r\n"

    static let http: StaticString = """
        HTTP/1.1 400 Bad Request\r
        Content-Type: text/plain; charset=utf-8\r
        Content-Length: 120\r
        Connection: close\r
        \r
        This is a Coffer socket: it speaks length-prefixed protobuf, not HTTP. See proto/PROTOCOL.md, or use the coffer command.
        """
}

extension StaticString {
    func withUTF8Buffer(_ body: (UnsafeBufferPointer<UInt8>) -> Void) {
        body(UnsafeBufferPointer(start: utf8Start, count: utf8CodeUnitCount))
    }
}
