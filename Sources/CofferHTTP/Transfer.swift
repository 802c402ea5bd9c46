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
    /// Of the whole answer; of a streamed one first of its head, then of the next piece.
    private(set) var deadline: BootInstant
    /// Where a streamed answer's body goes; nil = it is collected here.
    let stream: StreamBody?
    let headers: HeaderBlock
    let isCancelled = Atomic(false)

    var continuation: CheckedContinuation<Outcome, Never>?
    var easy: UnsafeMutableRawPointer?
    /// Those that it has used; see ``ConnectionSockets``.
    var sockets: [curl_socket_t] = []
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
    /// The head of a streamed answer is none.
    private var isMalformed = false
    /// Some of a streamed answer came since ``noteProgress(at:)``.
    private(set) var hasProgressed = false
    /// Nothing more of it comes before ``ConnectionGroup/resume(_:)``.
    private var isPaused = false

    /// Bytes of all header lines of an answer, interim answers and trailers included.
    static let maximumHeaderBytes = 64 << 10

    /// - Throws: `forbidden` for what must not be sent.
    init(
        _ request: HTTPRequest, _ place: TransferPlace, deadline: BootInstant, stream: StreamBody? = nil
    ) throws(HTTPError) {
        guard Self.isPath(request.path) else {
            throw HTTPError(
                .forbidden("a path that does not begin with /, or holds a space, a control character or #"),
                isUnsent: true)
        }
        self.request = request
        self.place = place
        self.deadline = deadline
        self.stream = stream
        headers = try HeaderBlock(request.headers, host: place.host)
        body = ResponseBuffer(limit: place.endpoint.maximumResponseBytes)
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        coffer_curl_slist_free_all(detour)
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

    /// Some of the answer has come, and the rest is on its way.
    var isAnswering: Bool { headerBytes > 0 && stream == nil }

    /// No byte of the request was handed to a connection.
    var isUnsent: Bool { sendings == 0 }

    /// Some of the request may be on its way to a server that has not answered it.
    var mayArriveLater: Bool { !isUnsent && !(hasAllHeaders && easy.map(coffer_easy_status) ?? 0 >= 200) }

    /// What it means that the deadline has passed.
    var lateness: HTTPError.Cause { stream != nil && continuation == nil ? .idle : .deadline }

    /// With the whole answer, with the head of a streamed one, or with why there is none.
    func finish(_ outcome: Outcome) {
        guard let waiter = continuation.take() else {
            stream?.finish(outcome.map { _ in })
            return
        }
        waiter.resume(returning: outcome)
    }

    /// The next piece of a streamed answer has as long as it may take from now on.
    func noteProgress(at now: BootInstant) {
        hasProgressed = false
        guard let stream else { return }
        deadline = isPaused ? .never : now + stream.idle
        isPaused = false
    }

    func fail(_ cause: HTTPError.Cause) { finish(.failure(HTTPError(cause, isUnsent: isUnsent))) }

    /// libcurl has ended the transfer with `code`.
    func end(_ code: CURLcode, status: Int) {
        if let exceeded { return fail(.tooLarge(limit: exceeded)) }
        if isMalformed { return fail(.malformed) }
        guard code == CURLE_OK else {
            let verification = easy.map(coffer_easy_verification) ?? -1
            return fail(
                CurlFailure(
                    code, text: errorText, wasSent: !isUnsent, refusal: refusal, verification: verification
                ).cause)
        }
        guard hasAllHeaders else { return fail(.interrupted) }
        // Of a streamed answer the head was told when it came.
        guard (100...599).contains(status), stream == nil || continuation == nil else { return fail(.malformed) }
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
        if line.allSatisfy({ $0 == 0x0d || $0 == 0x0a }) {
            hasAllHeaders = true
            return stream == nil || tellHead()
        }
        // Behind the body come trailers, which are no headers.
        if body.isEmpty { fields.append(line) }
        return true
    }

    /// Tells the head of a streamed answer, unless an interim one came; false stops the transfer.
    private func tellHead() -> Bool {
        let status = easy.map(coffer_easy_status) ?? 0
        guard continuation != nil, status >= 200 else { return true }
        guard status <= 599 else {
            isMalformed = true
            return false
        }
        hasProgressed = true
        finish(.success(HTTPResponse(status: status, headers: fields, body: body.secret())))
        return true
    }

    /// Takes a piece of the body.
    func take(body bytes: UnsafeRawBufferPointer) -> Taken {
        if let stream {
            hasProgressed = true
            isPaused = !stream.put(bytes)
            return isPaused ? .later : .whole
        }
        return collect(bytes) ? .whole : .nothing
    }

    /// What became of a piece of the body.
    enum Taken {
        case whole
        /// It is to be brought again when there is room for it.
        case later
        /// The transfer ends.
        case nothing
    }

    private func collect(_ bytes: UnsafeRawBufferPointer) -> Bool {
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
