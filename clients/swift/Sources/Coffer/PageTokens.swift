/// Ends a listing in which a page token comes again, by Brent's rule: it keeps one token, whatever the listing's length, and
/// finds every circle within three times the pages that lead into and around it.
struct PageTokens {
    private var kept = ""
    private var age = 0
    private var longestAge = 1

    /// - Parameter token: of the next page; empty after the last page.
    /// - Throws: INTERNAL if a page of the listing had it before.
    mutating func check(_ token: String) throws(CofferError) {
        guard !token.isEmpty else { return }
        guard token != kept else {
            throw CofferError(
                .internal, .malformed, "the daemon answered List with the token of a page that it gave before")
        }
        age += 1
        guard age >= longestAge else { return }
        kept = token
        age = 0
        longestAge *= 2
    }
}
