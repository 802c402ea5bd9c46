internal import CCurl
internal import CofferCore
internal import Glibc
internal import Synchronization

/// One request on its way: what libcurl's callbacks see of it.
final class Transfer: @unchecked Sendable {
    // Built by the task that asks, handed over through the loop's mailbox, and from
    // then on of whoever holds the loop's `work`. `isCancelled` is atomic.
    typealias Outcome = Result<HTTPResponse, HTTPError>

    let request: HTTPRequest
    let place: TransferPlace
    let deadline: BootInstant
    let headers: HeaderBlock
    let isCancelled = Atomic(false)

    var continuation: CheckedContinuation<Outcome, Never>?
    var easy: UnsafeMutableRawPointer?
    /// libcurl's list that leads another server name to the origin's host.
    var detour: UnsafeMutablePointer<curl_slist>?
    /// libcurl's words about a failure; they never leave this module.
    let errorText: UnsafeMutablePointer<CChar>

    private var body: ResponseBuffer
    private var fields = HTTPFields()
    private var headerBytes = 0
    /// The blank line behind the headers came: libcurl takes a connection that
    /// closes among them for a whole answer.
    private var hasAllHeaders = false
    /// How often libcurl was about to write the request.
    private var sendings = 0
    private var refusal: String?
    private var exceeded: Int?

    /// Bytes of all header lines of an answer, interim answers and trailers included.
    static let maximumHeaderBytes = 64 << 10

    /// - Throws: `forbidden` for what must not be sent.
    init(_ request: HTTPRequest, _ place: TransferPlace, deadline: BootInstant) throws(HTTPError) {
        guard Self.isPath(request.path) else {
            throw HTTPError(
                .forbidden("a path that does not begin with /, or holds a space, a control character or #"),
                isUnsent: true)
        }
        self.request = request
        self.place = place
        self.deadline = deadline
        headers = try HeaderBlock(request.headers, host: place.host)
        body = ResponseBuffer(limit: place.endpoint.maximumResponseBytes)
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        curl_slist_free_all(detour)
        errorText.deallocate()
    }

    private static func isPath(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            guard bytes.first == UInt8(ascii: "/") else { return false }
            for byte in bytes where byte < 0x21 || byte > 0x7e || byte == UInt8(ascii: "#") { return false }
            return true
        }
    }

    /// Some of the answer has come.
    var isAnswering: Bool { headerBytes > 0 }

    /// No byte of the request was handed to a connection.
    var isUnsent: Bool { sendings == 0 }

    func finish(_ outcome: Outcome) {
        continuation?.resume(returning: outcome)
        continuation = nil
    }

    func fail(_ cause: HTTPError.Cause) { finish(.failure(HTTPError(cause, isUnsent: isUnsent))) }

    /// libcurl has ended the transfer with `code`.
    func end(_ code: CURLcode, status: Int) {
        if let exceeded { return fail(.tooLarge(limit: exceeded)) }
        guard code == CURLE_OK else {
            return fail(CurlFailure(code, text: errorText, wasSent: !isUnsent, refusal: refusal).cause)
        }
        guard hasAllHeaders else { return fail(.interrupted) }
        guard (100...599).contains(status) else { return fail(.malformed) }
        finish(.success(HTTPResponse(status: status, headers: fields, body: body.secret())))
    }
}

// MARK: - What libcurl calls

extension Transfer {
    /// Takes one header line; false stops the transfer.
    func take(header line: UnsafeRawBufferPointer) -> Bool {
        headerBytes += line.count
        guard headerBytes <= Self.maximumHeaderBytes else {
            exceeded = Self.maximumHeaderBytes
            return false
        }
        // A status line begins an answer anew: those before were interim ones.
        if line.starts(with: "HTTP/".utf8) {
            (fields, hasAllHeaders) = (HTTPFields(), false)
            return true
        }
        if line.allSatisfy({ $0 == 0x0d || $0 == 0x0a }) { hasAllHeaders = true }
        // Behind the body come trailers, which are no headers.
        if body.isEmpty { fields.append(line) }
        return true
    }

    /// Takes a piece of the body; false stops the transfer.
    func take(body bytes: UnsafeRawBufferPointer) -> Bool {
        let announced = easy.map(coffer_easy_announced) ?? -1
        guard body.append(bytes, announced: announced) else {
            exceeded = place.endpoint.maximumResponseBytes
            return false
        }
        return true
    }

    /// Opens a socket to a resolved address that is allowed; -1 if it is not.
    func open(_ address: UnsafeMutablePointer<curl_sockaddr>) -> curl_socket_t {
        var bytes = [UInt8](repeating: 0, count: 16)
        let family = bytes.withUnsafeMutableBytes { region in
            coffer_sockaddr_read(address, region.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
        switch family {
        case AF_UNIX where place.endpoint.unixSocket != nil: break
        case AF_INET, AF_INET6:
            if let words = place.policy.refusal(of: Address(bytes: bytes, isVersion6: family == AF_INET6)) {
                refusal = words
                return -1
            }
        default:
            refusal = "an address of another kind than IP"
            return -1
        }
        return coffer_sockaddr_open(address)
    }

    /// The connection stands and is verified, the request comes next; false stops.
    ///
    /// libcurl would silently send a request again if a kept connection breaks:
    /// only reading twice is harmless.
    func begin() -> Bool {
        sendings += 1
        return sendings == 1 || request.method == .get
    }
}
