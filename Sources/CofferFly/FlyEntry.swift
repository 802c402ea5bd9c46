internal import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// What is kept of one secret, in a file and in memory.
///
/// The rule of order: what the API has acknowledged here is served until somebody else has written the secret later and the
/// Machine was updated since. So nothing older than it is served, whatever a restart finds in the environment, unless the API
/// says that there is something newer; and nothing counts as acknowledged but by an answer to its own call.
struct FlyEntry: Sendable {
    /// The last write that the API has acknowledged.
    var current: FlyWrite?
    /// A later one that has no answer: it may have happened, or happen still. It is never served.
    var next: FlyWrite?
    /// Fingerprints of what was sent without an answer before the last write.
    private var lost: [String] = []
    /// Fingerprints of values that the API had acknowledged here before `current`, the oldest first: an update that was asked for
    /// then brings them in later.
    private var replaced: [String] = []
    /// `next` is a Delete that found a live record. In memory only: for the call that repeats it.
    var removesLive = false

    /// Of `lost`, the newest. A request that is older than so many others has long happened, or never will.
    private static let maximumLost = 16
    /// Of `replaced`, the newest: more than are stored from when an update is asked for until the Machine starts again.
    private static let maximumReplaced = 32

    init() {}

    var isEmpty: Bool { current == nil && next == nil }

    /// Nothing was acknowledged, and what was sent without an answer was sent before an update of the Machine: it has long
    /// happened, or never will.
    func isOver(machine: String) -> Bool {
        guard current == nil, let next else { return false }
        return next.machine != machine && !next.machine.isEmpty && !machine.isEmpty
    }

    /// The same while this write is being sent.
    func sending(_ write: FlyWrite, removesLive: Bool) -> FlyEntry {
        var entry = self
        if let next, next.content.fingerprint != write.content.fingerprint {
            entry.lost = Array((lost + [next.content.fingerprint]).suffix(Self.maximumLost))
        }
        entry.next = write
        entry.removesLive = removesLive
        return entry
    }

    /// The same once the API has acknowledged `next`.
    ///
    /// - Parameter isKnown: the API told this version; otherwise it is one that it had before.
    func acknowledged(version: UInt64, isKnown: Bool, digest: String?) -> FlyEntry {
        guard var write = next else { return self }
        var entry = self
        (write.version, write.isOfUnknownVersion, write.digest) = (version, !isKnown, digest)
        let fingerprint = write.content.fingerprint
        entry.lost.removeAll { $0 == fingerprint }
        // A Delete needs none: a variable that is absent is older than a secret that is there, and newer than one that is not.
        if let old = current?.content, old.value != nil { entry.replaced.append(old.fingerprint) }
        entry.replaced.removeAll { $0 == fingerprint }
        entry.replaced = entry.replaced.suffix(Self.maximumReplaced)
        (entry.current, entry.next, entry.removesLive) = (write, nil, false)
        return entry
    }

    /// Whether Machines may have what a Delete that the API had nothing to do for was to remove: a write that got no answer may
    /// have done it, or another program. After a Delete that was acknowledged they have been told.
    ///
    /// - Parameter environment: the variable's fingerprint.
    func isToBeDeleted(environment: String) -> Bool {
        if next != nil { return true }
        guard let current else { return !environment.isEmpty }
        return current.content.value != nil
    }

    // MARK: The order of the environment and the last write

    /// Whether an update of the Machine may have brought in what came after `current`: only the API can tell then. A process
    /// keeps the environment that its Machine's boot gave it, and every boot gives what the Machine's last update has fixed.
    ///
    /// - Parameters:
    ///   - environment: the variable's fingerprint.
    ///   - machine: the version of the Machine's configuration; "" = not in a Machine.
    func isOpen(environment: String, machine: String) -> Bool {
        guard let current else { return false }
        let isUpdated = current.machine != machine && !current.machine.isEmpty && !machine.isEmpty
        return isUpdated || current.environment != environment
    }

    /// Settles what is open, by what the API says of the secret in an answer that knows of `current`.
    ///
    /// - Parameters:
    ///   - secret: as the API has it; nil = it does not.
    ///   - isBrought: all Machines that the daemon updates itself have it.
    mutating func settle(by secret: FlySecret?, environment: String, machine: String, isBrought: Bool) {
        guard isOpen(environment: environment, machine: machine), let write = current else { return }
        let isEverywhere =
            isBrought && write.isUnchanged(in: secret) == true && write.content.fingerprint == environment
        if isEverywhere || isOverruled(write, by: secret, environment) {
            self = FlyEntry()
        } else {
            // What this update brought is older: a plain restart need not ask again.
            current?.environment = environment
            current?.machine = machine
        }
    }

    /// Whether somebody else has written the secret later, so that the environment counts.
    private func isOverruled(_ write: FlyWrite, by secret: FlySecret?, _ environment: String) -> Bool {
        switch write.isUnchanged(in: secret) {
        case true?: return false
        case false? where next == nil && lost.isEmpty: return true
        default: break
        }
        // The change at the API may be a write of this daemon's that got no answer. Only the value itself tells whose it is.
        if let next, next.content.fingerprint == environment { return true }
        // A variable that is absent is older than a secret that is there.
        let isAbsence = environment.isEmpty && secret != nil
        let isOurs = lost.contains(environment) || replaced.contains(environment)
        return !isAbsence && environment != write.environment && !isOurs
    }
}

// MARK: In files

extension FlyEntry {
    /// What a file holds, before it is sealed: `{"name":…,"current":{…},"next":{…},"lost":[…],"replaced":[…]}`. A member that
    /// old readers may not overlook needs another content type of the seal, which is the form's version.
    func encode(name: String) -> Secret {
        var members: [(name: String, value: JSON)] = [("name", .string(name))]
        if let current { members.append(("current", current.json)) }
        if let next { members.append(("next", next.json)) }
        for (member, list) in [("lost", lost), ("replaced", replaced)] where !list.isEmpty {
            members.append((member, .array(list.map { JSON.string($0) })))
        }
        return JSON.object(members).encode()
    }

    /// - Returns: nil for what `encode` does not give.
    init?(_ text: Secret, name: inout String) {
        guard let json = try? JSON.parse(text), let read = json["name"]?.text else { return nil }
        name = read
        for (member, path) in [("current", \FlyEntry.current), ("next", \FlyEntry.next)] {
            guard let part = json[member] else { continue }
            guard let write = FlyWrite(part) else { return nil }
            self[keyPath: path] = write
        }
        for (member, path) in [("lost", \FlyEntry.lost), ("replaced", \FlyEntry.replaced)] {
            for fingerprint in json[member]?.elements ?? [] {
                guard let text = fingerprint.text else { return nil }
                self[keyPath: path].append(text)
            }
        }
        guard !isEmpty, current?.version != 0 else { return nil }
    }
}

extension FlyWrite {
    fileprivate var json: JSON {
        var members: [(name: String, value: JSON)] = [
            ("machine", .string(machine)), ("environment", .string(environment)), ("secrets", .integer(version)),
        ]
        if isOfUnknownVersion { members.append(("unknown_version", .bool(true))) }
        if let digest { members.append(("digest", .string(digest))) }
        if case .value(let value) = content, let item = value.item {
            members += [
                ("value", .string(value.text)), ("version", .string(item.version)), ("created", .integer(item.createdAt)),
                ("updated", .integer(item.updatedAt)), ("expires", .integer(item.expiresAt)),
            ]
        }
        return .object(members)
    }

    fileprivate init?(_ json: JSON) {
        guard let machine = json["machine"]?.text, let environment = json["environment"]?.text,
            let version = json["secrets"]?.integer.flatMap({ UInt64(exactly: $0) }), let content = Self.content(json)
        else { return nil }
        self.init(
            content: content, environment: environment, machine: machine, version: version,
            isOfUnknownVersion: json["unknown_version"]?.bool == true, digest: json["digest"]?.text)
    }

    private static func content(_ json: JSON) -> Content? {
        guard let text = json["value"]?.secret else { return .absent }
        let times = ["created", "updated", "expires"].map { json[$0]?.integer.flatMap { WallMilliseconds(exactly: $0) } }
        guard let version = json["version"]?.text, let created = times[0], let updated = times[1], let expires = times[2]
        else { return nil }
        let read = FlyValue(environment: text) { _ in version }
        guard var item = read.item else { return nil }
        (item.version, item.createdAt, item.updatedAt, item.expiresAt) = (version, created, updated, expires)
        return .value(FlyValue(text, item))
    }
}
