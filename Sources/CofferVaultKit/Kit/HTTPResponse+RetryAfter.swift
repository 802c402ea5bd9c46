internal import CofferCore
package import CofferHTTP

extension HTTPResponse {
    /// How long the server wants to be left alone, by the header Retry-After in seconds: at most an hour; 0 = it does
    /// not say.
    package var retryAfterMilliseconds: UInt32 {
        min(headers["retry-after"].flatMap { UInt32($0) } ?? 0, 3_600) * 1_000
    }
}
