package import CofferAccess
import CofferCore
import CofferProcess

/// Whom a policy is tested for: some properties of a caller, as texts. The rest is as the user database has it, or not proven.
package struct CallerDescription: Sendable {
    /// A name, or a number.
    package let user: String
    /// Names or numbers, besides the groups that the database has the user in.
    package var groups: [String] = []
    package var unit: String?
    package var cgroup: String?
    package var executable: String?
    /// As `sha256sum` prints it.
    package var sha256: String?

    package init(user: String) { self.user = user }

    /// The caller.
    ///
    /// - Parameter host: the one that the policy was read with.
    /// - Throws: which property cannot be, naming its option of the command line.
    package func caller(_ host: HostNames) throws(CallerMistake) -> Caller {
        let uid = try number(user, "--as", "user", host.uid)
        let entry = try found { () throws(StreamFailure) in try UserDatabase.user(uid: uid) }
        // What is no number on this host has the name that was given.
        let name = entry?.name ?? (Self.isNumber(user) ? nil : user)
        var groups = entry.map { UserDatabase.groups(of: $0) } ?? []
        for group in self.groups { groups.append(try number(group, "--group", "group", host.gid)) }
        let (unit, cgroup) = try place()
        return Caller(
            uid: uid, gid: entry?.gid ?? .max, groups: .proven(groups), userName: name.map { .proven($0) } ?? .absent, unit: unit,
            cgroup: cgroup, executable: try program())
    }

    // MARK: Users and groups

    private static func isNumber(_ text: String) -> Bool { !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) } }

    private func number(
        _ text: String, _ option: String, _ kind: String, _ look: (String) -> UInt32?
    ) throws(CallerMistake) -> UInt32 {
        if Self.isNumber(text) {
            guard let number = UInt32(text), number != .max else {
                throw CallerMistake("\(option): expected a name or a number from 0 to \(UInt32.max - 1)")
            }
            return number
        }
        guard !text.isEmpty else { throw CallerMistake("\(option): expected a name or a number, got nothing") }
        guard let number = look(text) else {
            throw CallerMistake(
                "\(option): there is no \(kind) \(Spelling.shown(text)) on this host; give a number, or --other-host for a policy of another host")
        }
        return number
    }

    private func found<Value>(_ look: () throws(StreamFailure) -> Value) throws(CallerMistake) -> Value {
        do throws(StreamFailure) {
            return try look()
        } catch {
            throw CallerMistake("--as: \(error)")
        }
    }

    // MARK: Where it runs

    private func place() throws(CallerMistake) -> (unit: Evidence<String>, cgroup: Evidence<String>) {
        if let unit, !PolicyReader.isUnit(unit) { throw CallerMistake("--unit: expected the whole name of a unit, such as mail.service") }
        guard let cgroup else { return (unit.map { .proven($0) } ?? .unproven, .unproven) }
        guard PolicyReader.isControlGroup(cgroup) else { throw CallerMistake("--cgroup: \(PolicyReader.expectedControlGroup)") }
        let own = ControlGroup.unit(ofPath: cgroup)
        if unit != nil, unit != own {
            throw CallerMistake("--unit: --cgroup is in \(own.map { "the unit \(Printable.field($0))" } ?? "no unit"); leave one of the two out")
        }
        return (own.map { .proven($0) } ?? .absent, .proven(cgroup))
    }

    private func program() throws(CallerMistake) -> Evidence<Caller.Executable> {
        guard let executable else {
            guard sha256 == nil else { throw CallerMistake("--sha256: expected --executable beside it, the path of the program") }
            return .unproven
        }
        guard executable.hasPrefix("/") else { throw CallerMistake("--executable: expected a path from the root, such as /usr/bin/mail-sync") }
        guard let sha256 else { return .proven(.init(path: executable)) }
        guard let digest = Hex.bytes(sha256.utf8), digest.count == 32 else {
            throw CallerMistake("--sha256: expected 64 lower-case hexadecimal digits, as sha256sum prints them")
        }
        return .proven(.init(path: executable, digest: .proven(digest)))
    }
}

/// A property of a caller that no caller can have.
package struct CallerMistake: Error, Equatable, CustomStringConvertible, Sendable {
    /// The option, what was expected, what to do.
    package let description: String

    init(_ description: String) { self.description = description }
}
