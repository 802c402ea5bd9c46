import CofferCore
import CofferHTTP
import CofferVaultKit
import Testing

/// How long a server wants to be left alone.
@Suite struct RetryAfterTests {
    @Test(arguments: [
        (["Retry-After": "7"], 7_000), (["Retry-After": "86400"], 3_600_000), (["Retry-After": "4294967295"], 3_600_000),
        (["retry-after-ms": "250", "Retry-After": "7"], 250), (["retry-after-ms": "1500.5"], 1_501),
        (["retry-after-ms": "soon", "Retry-After": "7"], 7_000), (["retry-after-ms": "nan"], 0), (["retry-after-ms": "1e99"], 3_600_000),
        (["Retry-After": "Fri, 02 Jan 2026 03:04:05 GMT", "Date": "Fri, 02 Jan 2026 03:04:00 GMT"], 5_000),
        (["Retry-After": "Fri, 02 Jan 2026 03:04:05 GMT", "Date": "Fri, 02 Jan 2026 03:05:00 GMT"], 0),
        (["Retry-After": "Fri, 02 Jan 2026 03:04:05 GMT"], 0), (["Retry-After": "later"], 0), ([:], 0),
    ] as [(HTTPFields, UInt32)])
    func isReadInEveryForm(headers: HTTPFields, milliseconds: UInt32) {
        #expect(HTTPResponse(status: 429, headers: headers, body: Secret("")).retryAfterMilliseconds == milliseconds)
    }
}
