internal import CCurl
internal import CLinux
internal import CofferCore

/// Header lines as libcurl wants them, in one piece of memory that is wiped.
///
/// libcurl borrows the list for as long as the transfer runs.
final class HeaderBlock: @unchecked Sendable {
    // Written by init only.
    private let text: UnsafeMutableRawBufferPointer
    private let nodes: UnsafeMutableBufferPointer<curl_slist>

    /// What libcurl would add by itself, and what frames the body: ours to decide.
    private static let reserved: [StaticString] = [
        "connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade",
    ]
    private static let silenced: [(name: StaticString, line: StaticString)] = [
        ("accept", "Accept:"), ("content-type", "Content-Type:"), ("expect", "Expect:"),
        ("user-agent", "User-Agent:"),
    ]

    /// - Parameter host: what the Host header says unless `headers` has one; nil = libcurl's own.
    /// - Throws: `forbidden` for a name or value that HTTP cannot carry.
    init(_ headers: [HTTPHeader], host: String?) throws(HTTPError) {
        for header in headers { try Self.check(header) }
        func isSet(_ name: StaticString) -> Bool { headers.contains { Self.isSame($0.name, name) } }
        let host = host.flatMap { isSet("host") ? nil : "Host: \($0)" }
        let bytes = headers.reduce(host.map { $0.utf8.count + 1 } ?? 0) { $0 + $1.name.utf8.count + $1.value.count + 3 }
        text = .allocate(byteCount: bytes, alignment: 1)
        text.initializeMemory(as: UInt8.self, repeating: 0)
        nodes = .allocate(capacity: Self.silenced.count + 1 + headers.count)
        nodes.initialize(repeating: curl_slist())
        var line = (index: 0, start: 0, end: 0)
        for header in Self.silenced where !isSet(header.name) {
            // libcurl reads what it is lent.
            link(UnsafeMutableRawPointer(mutating: header.line.utf8Start), &line.index)
        }
        if let host {
            append(host, &line.end)
            close(&line)
        }
        for header in headers { append(header, &line) }
    }

    deinit {
        if let base = text.baseAddress { coffer_wipe(base, text.count) }
        text.deallocate()
        nodes.deallocate()
    }

    var list: UnsafeMutablePointer<curl_slist>? { nodes.baseAddress }

    private func append(_ header: HTTPHeader, _ line: inout (index: Int, start: Int, end: Int)) {
        append(header.name, &line.end)
        // "Name:" would take the header away; "Name;" sends it without a value.
        let isBlank = header.value.withUnsafeBytes { $0.allSatisfy { $0 == 0x20 || $0 == 0x09 } }
        append(isBlank ? ";" : ": ", &line.end)
        if !isBlank {
            header.value.withUnsafeBytes { append($0, &line.end) }
        }
        close(&line)
    }

    private func append(_ string: String, _ end: inout Int) {
        var string = string
        string.withUTF8 { append(UnsafeRawBufferPointer($0), &end) }
    }

    private func append(_ bytes: UnsafeRawBufferPointer, _ end: inout Int) {
        UnsafeMutableRawBufferPointer(rebasing: text[end...]).copyMemory(from: bytes)
        end += bytes.count
    }

    /// Ends a line with a zero and links it.
    private func close(_ line: inout (index: Int, start: Int, end: Int)) {
        link(text.baseAddress! + line.start, &line.index)
        line = (line.index, line.end + 1, line.end + 1)
    }

    /// Puts a line behind the one before.
    private func link(_ line: UnsafeMutableRawPointer, _ index: inout Int) {
        nodes[index].data = line.assumingMemoryBound(to: CChar.self)
        if index > 0 { nodes[index - 1].next = nodes.baseAddress.map { $0 + index } }
        index += 1
    }

    private static func check(_ header: HTTPHeader) throws(HTTPError) {
        guard isName(header.name) else {
            throw HTTPError(
                .forbidden("a header name holds more than letters, digits and -_.!#$%&'*+^`|~"), isUnsent: true)
        }
        guard !reserved.contains(where: { isSame(header.name, $0) }) else {
            throw HTTPError(.forbidden("a header that belongs to the connection was set"), isUnsent: true)
        }
        guard header.value.withUnsafeBytes(isClean) else {
            throw HTTPError(
                .forbidden("a header value holds a control character, for instance a line break; check the credential"),
                isUnsent: true)
        }
    }

    /// Whether `name` is this one, which is lower case, in any case.
    private static func isSame(_ name: String, _ lowercased: StaticString) -> Bool {
        guard name.utf8.count == lowercased.utf8CodeUnitCount else { return false }
        let other = UnsafeBufferPointer(start: lowercased.utf8Start, count: lowercased.utf8CodeUnitCount)
        var name = name
        return name.withUTF8 { name in
            for (byte, other) in zip(name, other) where (0x41...0x5a ~= byte ? byte | 0x20 : byte) != other {
                return false
            }
            return true
        }
    }

    private static func isName(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            for byte in bytes where !isNameByte(byte) { return false }
            return !bytes.isEmpty
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"): true
        default: "_.!#$%&'*+^`|~".utf8.contains(byte)
        }
    }

    /// No control character but the tabulator is in it.
    private static func isClean(_ value: UnsafeRawBufferPointer) -> Bool {
        for byte in value where byte < 0x20 && byte != 0x09 || byte == 0x7f { return false }
        return true
    }
}
