/// Sizes that are refused here, before anything is made of them: no daemon takes
/// them. The narrower limits are the daemon's to check.
enum Bounds {
    /// Of a credential, in bytes: the most that a daemon can be configured to take.
    static let credentialBytes = 1 << 20
    /// Of any text in a request, in bytes; page tokens, the longest, have 8 KiB.
    static let textBytes = 16 << 10
    /// Labels of a record.
    static let labels = 1_024

    static func checkCredential(_ count: Int) throws(CofferError) {
        guard count <= credentialBytes else {
            throw CofferError(
                .invalidArgument, .credentialTooLarge,
                "credential: expected 1 to \(credentialBytes) bytes, got \(count); no daemon accepts more")
        }
    }

    /// - Parameter texts: what they are called, and they.
    static func checkTexts(_ texts: (name: String, text: String?)...) throws(CofferError) {
        for (name, text) in texts {
            guard (text?.utf8.count ?? 0) <= textBytes else {
                throw CofferError(.invalidArgument, .badField, "\(name): expected at most \(textBytes) bytes, got more")
            }
        }
    }

    static func checkLabels(_ labels: [String: String]) throws(CofferError) {
        guard labels.count <= Self.labels else {
            throw CofferError(.invalidArgument, .badField, "labels: expected at most 16, got \(labels.count)")
        }
        for (name, value) in labels { try checkTexts(("label", name), ("label", value)) }
    }
}
