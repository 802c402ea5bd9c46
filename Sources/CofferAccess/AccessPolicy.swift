/// Who may do what.
///
/// Asked once when a connection is accepted, and with every call for each of its records: after the
/// request is parsed, before the cache and any vault. Ids are lent as UTF-8, and never empty.
///
/// A class, for a call that is answered from the cache must not copy one.
package protocol AccessPolicy: AnyObject, Sendable {
    /// Whether there is anything that this caller may do: only then is it listened to.
    func admits(_ caller: Peer) -> Bool

    /// Whether the caller may do this with one record.
    func allows(_ caller: Peer, _ verb: Verb, user: RawSpan, connection: RawSpan) -> Bool

    /// Whether the caller may do this with every record of one user.
    func allows(_ caller: Peer, _ verb: Verb, user: RawSpan) -> Bool

    /// Whether the caller may do this with all records, or where the call is about none.
    func allows(_ caller: Peer, _ verb: Verb) -> Bool
}
