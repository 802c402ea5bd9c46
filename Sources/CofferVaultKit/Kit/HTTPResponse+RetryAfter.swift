internal import CofferCore
package import CofferHTTP

extension HTTPResponse {
    private static let longest: UInt64 = 3_600_000

    /// How long the server wants to be left alone, in milliseconds: by the header retry-after-ms, or Retry-After in seconds
    /// or as a date, which is compared with the server's own Date. At most an hour; 0 = it does not say.
    package var retryAfterMilliseconds: UInt32 {
        if let text = headers["retry-after-ms"], let time = Double(text), time > 0 {
            return UInt32(min(time.rounded(.up), Double(Self.longest)))
        }
        guard let text = headers["retry-after"] else { return 0 }
        if let seconds = UInt32(text) { return UInt32(min(UInt64(seconds) * 1_000, Self.longest)) }
        guard let end = Timestamp.milliseconds(ofHTTPDate: text),
            let now = headers["date"].flatMap(Timestamp.milliseconds(ofHTTPDate:)), now < end
        else { return 0 }
        return UInt32(min(end - now, Self.longest))
    }
}
