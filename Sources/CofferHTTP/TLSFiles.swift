package import CofferCore
internal import Synchronization

/// The PEM files of an endpoint, in memory: connections that are made from now on use
/// what it holds now. libcurl itself would read files on the thread that connects.
package final class TLSFiles: Sendable, Equatable {
    package struct Content: Sendable {
        /// Trusted, and no others; nil = the system's.
        package var authority: Secret?
        /// Both or none.
        package var certificate: Secret?
        package var key: Secret?

        package init(authority: Secret?, certificate: Secret?, key: Secret?) {
            self.authority = authority
            self.certificate = certificate
            self.key = key
        }
    }

    private let state: Mutex<(content: Content, number: UInt64)>

    package init(_ content: Content) { state = Mutex((content, 1)) }

    /// - Returns: whether it is other than before.
    package func replace(with content: Content) -> Bool {
        state.withLock { state in
            func isSame(_ a: Secret?, _ b: Secret?) -> Bool {
                guard let a, let b else { return a == nil && b == nil }
                return a.isEqual(to: b)
            }
            let before = state.content
            guard
                !isSame(before.authority, content.authority) || !isSame(before.certificate, content.certificate)
                    || !isSame(before.key, content.key)
            else { return false }
            state = (content, state.number + 1)
            return true
        }
    }

    /// With a number that is another one after each change.
    var current: (content: Content, number: UInt64) { state.withLock { $0 } }

    package static func == (a: TLSFiles, b: TLSFiles) -> Bool { a === b }
}
