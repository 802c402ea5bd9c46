internal import CCurl
internal import CofferCore

/// Makes libcurl's handle for a transfer.
///
/// A handle serves one transfer and is freed, and so wiped: in an idle one
/// libcurl would keep the last answer and the last header lines. Connections and
/// TLS sessions live elsewhere and are kept.
struct TransferOptions {
    private let easy: UnsafeMutableRawPointer
    private var isAccepted = true

    /// A handle for any transfer to `endpoint`; nil if libcurl took an option amiss.
    static func handle(
        for endpoint: HTTPEndpoint, sessions: UnsafeMutableRawPointer, sockets: ConnectionSockets
    ) -> UnsafeMutableRawPointer? {
        guard let easy = coffer_curl_easy_init() else { return nil }
        var options = TransferOptions(easy: easy)
        for (option, value) in fixed { options.set(option, value) }
        options.setRoute(endpoint)
        options.setScheme(endpoint.origin.isSecure)
        options.setTrust(endpoint)
        options.setLimits(endpoint)
        options.set(CURLOPT_SHARE, pointer: sessions)
        options.setClosing(sockets)
        if options.isAccepted { return easy }
        coffer_curl_easy_cleanup(easy)
        return nil
    }

    /// Makes the handle ready to be added for this transfer.
    ///
    /// - Returns: whether libcurl accepts every option.
    static func assign(_ easy: UnsafeMutableRawPointer, to transfer: Transfer) -> Bool {
        var options = TransferOptions(easy: easy)
        options.setPlace(transfer)
        options.setRequest(transfer)
        options.setCallbacks(transfer)
        return options.isAccepted
    }

    private init(easy: UnsafeMutableRawPointer) { self.easy = easy }

    /// The same for every transfer.
    private static let fixed: [(CURLoption, Int)] = [
        (CURLOPT_NOSIGNAL, 1), (CURLOPT_NOPROGRESS, 1), (CURLOPT_QUICK_EXIT, 1),
        (CURLOPT_FOLLOWLOCATION, 0), (CURLOPT_MAXREDIRS, 0), (CURLOPT_UNRESTRICTED_AUTH, 0),
        (CURLOPT_NETRC, Int(CURL_NETRC_IGNORED.rawValue)), (CURLOPT_DISALLOW_USERNAME_IN_URL, 1),
        (CURLOPT_PATH_AS_IS, 1), (CURLOPT_HTTP09_ALLOWED, 0), (CURLOPT_HTTP_CONTENT_DECODING, 0),
        (CURLOPT_TRANSFER_ENCODING, 0), (CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)),
        (CURLOPT_HEADEROPT, Int(CURLHEADER_SEPARATE)),
        (CURLOPT_SUPPRESS_CONNECT_HEADERS, 1), (CURLOPT_TCP_NODELAY, 1), (CURLOPT_TCP_KEEPALIVE, 1),
        (CURLOPT_BUFFERSIZE, 16 << 10), (CURLOPT_UPLOAD_BUFFERSIZE, 16 << 10),
        (CURLOPT_SSL_VERIFYPEER, 1), (CURLOPT_SSL_VERIFYHOST, 2),
        (CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)),
        (CURLOPT_PROXY_SSL_VERIFYPEER, 1), (CURLOPT_PROXY_SSL_VERIFYHOST, 2),
        (CURLOPT_PROXY_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2)),
    ]

    private mutating func setRoute(_ endpoint: HTTPEndpoint) {
        set(CURLOPT_REDIR_PROTOCOLS_STR, "https")
        if let path = endpoint.unixSocket { set(CURLOPT_UNIX_SOCKET_PATH, path) }
        // Empty, not absent: absent means "as the environment says".
        set(CURLOPT_PROXY, endpoint.proxy?.url ?? "")
        set(CURLOPT_NOPROXY, endpoint.proxy == nil ? "*" : "")
        if endpoint.proxy != nil { set(CURLOPT_HTTPPROXYTUNNEL, 1) }
    }

    private mutating func setPlace(_ transfer: Transfer) {
        let place = transfer.place
        set(CURLOPT_URL, place.url + transfer.request.path)
        if let detour = place.detour {
            transfer.detour = coffer_curl_slist_append(nil, detour)
            set(CURLOPT_CONNECT_TO, pointer: transfer.detour)
        }
        let isSecure = place.target.isSecure
        if isSecure != place.endpoint.origin.isSecure { setScheme(isSecure) }
    }

    private mutating func setScheme(_ isSecure: Bool) {
        set(CURLOPT_PROTOCOLS_STR, isSecure ? "https" : "http")
    }

    private mutating func setTrust(_ endpoint: HTTPEndpoint) {
        // Refuses short keys and SHA-1, whatever the system's configuration says.
        set(CURLOPT_SSL_CIPHER_LIST, "DEFAULT:@SECLEVEL=2")
        accept(coffer_easy_forget_tls(easy))
        let files = endpoint.files?.current.content
        if let authority = files?.authority {
            set(CURLOPT_CAINFO_BLOB, authority)
            set(CURLOPT_CAPATH, pointer: nil)
        } else if let file = endpoint.authorityFile {
            set(CURLOPT_CAINFO, file)
            // Else the system's folder of authorities would be trusted besides.
            set(CURLOPT_CAPATH, pointer: nil)
        }
        set(CURLOPT_CA_CACHE_TIMEOUT, endpoint.maximumLifetime.secondsRoundedUp)
        if let certificate = files?.certificate, let key = files?.key {
            set(CURLOPT_SSLCERT_BLOB, certificate)
            set(CURLOPT_SSLKEY_BLOB, key)
        } else {
            if let file = endpoint.certificateFile { set(CURLOPT_SSLCERT, file) }
            if let file = endpoint.certificateKeyFile { set(CURLOPT_SSLKEY, file) }
        }
    }

    private mutating func setLimits(_ endpoint: HTTPEndpoint) {
        let milliseconds = (endpoint.connectTimeout.wholeNanoseconds + 999_999) / 1_000_000
        set(CURLOPT_CONNECTTIMEOUT_MS, Int(milliseconds))
        if endpoint.lowSpeedTime > .zero {
            set(CURLOPT_LOW_SPEED_LIMIT, endpoint.lowSpeedBytesPerSecond)
            set(CURLOPT_LOW_SPEED_TIME, endpoint.lowSpeedTime.secondsRoundedUp)
        }
        set(CURLOPT_MAXAGE_CONN, endpoint.maximumIdle.secondsRoundedUp)
        set(CURLOPT_MAXLIFETIME_CONN, endpoint.maximumLifetime.secondsRoundedUp)
    }

    private mutating func setRequest(_ transfer: Transfer) {
        let request = transfer.request
        // A streamed answer has a limit of its own, and may be slow.
        if transfer.stream != nil { set(CURLOPT_LOW_SPEED_LIMIT, 0) }
        let hasBody: Bool
        switch request.method {
        case .get, .delete: hasBody = request.body != nil
        case .post, .put, .patch: hasBody = true
        }
        if hasBody {
            // Borrowed: the transfer holds the body longer than libcurl the handle.
            request.body?.withUnsafeBytes { set(CURLOPT_POSTFIELDS, pointer: $0.baseAddress) }
            if request.body == nil { set(CURLOPT_COPYPOSTFIELDS, "") }
            accept(coffer_easy_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, Int64(request.body?.count ?? 0)))
        } else {
            set(CURLOPT_HTTPGET, 1)
        }
        set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
        set(CURLOPT_HTTPHEADER, pointer: transfer.headers.list)
        set(CURLOPT_ERRORBUFFER, pointer: transfer.errorText)
    }

    /// The context is not retained: the group holds the transfer until the handle is gone.
    private mutating func setCallbacks(_ transfer: Transfer) {
        let isSet = coffer_easy_set_callbacks(
            easy, Unmanaged.passUnretained(transfer).toOpaque(),
            { bytes, size, count, context in
                let line = UnsafeRawBufferPointer(start: bytes, count: size * count)
                return Transfer.from(context).take(header: line) ? size * count : 0
            },
            { bytes, size, count, context in
                let piece = UnsafeRawBufferPointer(start: bytes, count: size * count)
                return switch Transfer.from(context).take(body: piece) {
                case .whole: size * count
                case .later: Int(CURL_WRITEFUNC_PAUSE)
                case .nothing: 0
                }
            },
            { context, _, address in Transfer.from(context).open(address) },
            { context, _, _, _, _ in
                Transfer.from(context).begin() ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
            })
        if !isSet { isAccepted = false }
    }

    /// The context is not retained: the group holds it until its connections are closed.
    private mutating func setClosing(_ sockets: ConnectionSockets) {
        let isSet = coffer_easy_set_closing(
            easy, Unmanaged.passUnretained(sockets).toOpaque(), { ConnectionSockets.from($0).close($1) })
        if !isSet { isAccepted = false }
    }

    private mutating func set(_ option: CURLoption, _ value: Int) { accept(coffer_easy_set(easy, option, value)) }

    private mutating func set(_ option: CURLoption, _ value: String) {
        accept(value.withCString { coffer_easy_set_text(easy, option, $0) })
    }

    private mutating func set(_ option: CURLoption, _ value: Secret) {
        accept(value.withUnsafeBytes { coffer_easy_set_bytes(easy, option, $0.baseAddress!, $0.count) })
    }

    private mutating func set(_ option: CURLoption, pointer: UnsafeRawPointer?) {
        accept(coffer_easy_set_pointer(easy, option, pointer))
    }

    private mutating func accept(_ code: CURLcode) {
        if code != CURLE_OK { isAccepted = false }
    }
}

extension Transfer {
    static func from(_ context: UnsafeMutableRawPointer) -> Transfer {
        Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
    }
}

extension Duration {
    fileprivate var secondsRoundedUp: Int { Int((wholeNanoseconds + 999_999_999) / 1_000_000_000) }
}
