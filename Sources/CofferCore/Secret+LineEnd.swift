extension Secret {
    /// Without one line end (LF or CRLF) at its end: editors and `echo` put one there, and
    /// no secret means it. The same object if there is none.
    package var withoutLineEnd: Secret {
        withBytes { bytes in
            var count = bytes.byteCount
            guard count > 0, bytes.byte(at: count - 1) == UInt8(ascii: "\n") else { return self }
            count -= 1
            if count > 0, bytes.byte(at: count - 1) == UInt8(ascii: "\r") { count -= 1 }
            return Secret(copying: bytes.extracting(0..<count))
        }
    }
}
