import Glibc

/// The users and groups that the system knows, by whichever services it is set up to ask.
package enum UserDatabase {
    /// A user by the first entry that was found.
    package struct User: Equatable, Sendable {
        package let name: String
        package let uid: UInt32
        /// The primary group.
        package let gid: UInt32
    }

    /// A group has a line of at most so many bytes.
    private static let maximumEntryBytes = 1 << 24
    /// The kernel's NGROUPS_MAX.
    private static let maximumGroups: Int32 = 65_536

    /// The user of this name; nil if there is none.
    ///
    /// - Throws: if a service does not answer.
    package static func user(named name: String) throws(StreamFailure) -> User? {
        guard isOneText(name) else { return nil }
        return try find(passwd(), { getpwnam_r(name, $0, $1, $2, $3) }, user)
    }

    /// The user of this number; nil if there is none.
    ///
    /// - Throws: if a service does not answer.
    package static func user(uid: UInt32) throws(StreamFailure) -> User? {
        try find(passwd(), { getpwuid_r(uid, $0, $1, $2, $3) }, user)
    }

    /// The number of the group of this name; nil if there is none.
    ///
    /// - Throws: if a service does not answer.
    package static func gid(ofGroup name: String) throws(StreamFailure) -> UInt32? {
        guard isOneText(name) else { return nil }
        return try find(group(), { getgrnam_r(name, $0, $1, $2, $3) }, \.gr_gid)
    }

    /// All groups that a user has after a login, the primary one too.
    package static func groups(of user: User) -> [UInt32] {
        var count: Int32 = 64
        while true {
            let room = count
            var groups = [gid_t](repeating: 0, count: Int(room))
            let isAll = getgrouplist(user.name, user.gid, &groups, &count) >= 0
            if isAll || room >= maximumGroups { return Array(groups.prefix(Int(min(count, room)))) }
            count = min(max(count, room * 2), maximumGroups)
        }
    }

    /// To C a name ends at its first zero byte: what has one would be taken for another.
    private static func isOneText(_ name: String) -> Bool { !name.isEmpty && !name.utf8.contains(0) }

    private static func user(_ entry: passwd) -> User {
        User(name: entry.pw_name.map { String(cString: $0) } ?? "", uid: entry.pw_uid, gid: entry.pw_gid)
    }

    /// One of the calls that write an entry, and its texts behind it.
    private typealias Search<Entry> = (
        UnsafeMutablePointer<Entry>, UnsafeMutablePointer<CChar>, Int, UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>
    ) -> Int32

    private static func find<Entry, Value>(
        _ empty: Entry, _ search: Search<Entry>, _ value: (Entry) -> Value
    ) throws(StreamFailure) -> Value? {
        var size = 1_024
        while true {
            var entry = empty
            var found: UnsafeMutablePointer<Entry>?
            let texts = UnsafeMutablePointer<CChar>.allocate(capacity: size)
            defer { texts.deallocate() }
            switch search(&entry, texts, size, &found) {
            case 0: return found == nil ? nil : value(entry)
            case EINTR: continue
            case ERANGE where size < maximumEntryBytes: size *= 4
            // Services say so in several ways, as getpwnam_r(3) tells.
            case ENOENT, ESRCH, EBADF, EPERM: return nil
            case let code: throw StreamFailure("cannot ask the system's database of users and groups", code)
            }
        }
    }
}
