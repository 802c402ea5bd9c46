/// A record in a listing that is there and cannot be read.
package struct UnreadableRecord: Equatable, Sendable {
    /// Whose it is; empty where only the record itself could tell.
    package let user: String
    /// As `user`.
    package let connection: String
    package let failure: Failure

    package init(user: String, connection: String, failure: Failure) {
        self.user = user
        self.connection = connection
        self.failure = failure
    }

    package init(_ key: RecordKey, _ failure: Failure) {
        self.init(user: key.user, connection: key.connection, failure: failure)
    }
}
