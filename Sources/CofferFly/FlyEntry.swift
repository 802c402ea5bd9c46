internal import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// What is kept of one secret, in memory and in a file: the last write that the API has acknowledged, and one behind it
/// whose outcome is not known.
struct FlyEntry: Sendable {
    var current: FlyWrite?
    /// What `current` is to the environment of this start is not known yet.
    var isUnsettled = false
    var next: FlyWrite?
    /// When the answer to `next` was given up, in this process; nil = in one before it.
    var lostAt: BootInstant?

    /// For so long after its answer was lost a write may still be on its way to the API.
    private static let longestWay = Duration.seconds(10)

    var isEmpty: Bool { current == nil && next == nil }

    /// What is served in place of the environment; nil = the environment is served. While `current` is unsettled, what the
    /// environment has counts, and where it has nothing, what was written.
    func served(isInEnvironment: Bool) -> FlyWrite.Content? {
        isUnsettled && isInEnvironment ? nil : current?.content
    }

    /// Compares it with the environment of a new start.
    mutating func begin(environment value: Secret?, machine: String) {
        guard let write = current else { return }
        switch FlyOrder.atStart(write, environment: value, machine: machine) {
        case .environment: current = nil
        case .write: break
        case .unknown: isUnsettled = true
        }
    }

    /// What needs the API's word.
    var isOpen: Bool { isUnsettled || next != nil }

    /// Settles it by what the API said of the secret. No write of the secret is under way.
    ///
    /// - Parameter asked: when the API was asked.
    mutating func settle(by secret: FlySecret?, asked: BootInstant, isInEnvironment: Bool) {
        if let lostAt, asked <= lostAt { return }
        if var write = next {
            if FlyOrder.hasArrived(write, by: secret) {
                write.stage = .acknowledged(digest: secret?.digest)
                (current, isUnsettled, next) = (write, false, nil)
            } else if lostAt.map({ $0 + Self.longestWay <= asked }) ?? true {
                next = nil
            }
        }
        guard isUnsettled, let write = current else { return }
        isUnsettled = false
        if FlyOrder.settled(write, by: secret, isInEnvironment: isInEnvironment) == .environment { current = nil }
    }
}

// MARK: In files

extension FlyEntry {
    /// What a file holds, before it is sealed: `{"name":…,"current":{…},"next":{…}}`.
    func encode(name: String) -> Secret {
        var members: [(name: String, value: JSON)] = [("name", .string(name))]
        if let current { members.append(("current", current.json)) }
        if let next { members.append(("next", next.json)) }
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
        if isEmpty { return nil }
    }
}

extension FlyWrite {
    fileprivate var json: JSON {
        var members: [(name: String, value: JSON)] = [("machine", .string(machine)), ("secrets", .integer(version))]
        if let environment { members.append(("environment", .string(environment))) }
        switch stage {
        case .sent(let before): members += [("stage", .string("sent")), ("digest", before.map(JSON.string) ?? .null)]
        case .acknowledged(let digest):
            members += [("stage", .string("acknowledged")), ("digest", digest.map(JSON.string) ?? .null)]
        }
        if case .value(let value) = content, let item = value.item {
            members += [
                ("value", .string(value.text)), ("version", .string(item.version)), ("created", .integer(item.createdAt)),
                ("updated", .integer(item.updatedAt)), ("expires", .integer(item.expiresAt)),
            ]
        }
        return .object(members)
    }

    fileprivate init?(_ json: JSON) {
        guard let machine = json["machine"]?.text, let secrets = json["secrets"]?.integer,
            let version = UInt64(exactly: secrets), let stage = Self.stage(json), let content = Self.content(json)
        else { return nil }
        self.init(
            content: content, stage: stage, environment: json["environment"]?.text, machine: machine, version: version)
    }

    private static func stage(_ json: JSON) -> Stage? {
        switch json["stage"]?.text {
        case "sent": .sent(before: json["digest"]?.text)
        case "acknowledged": .acknowledged(digest: json["digest"]?.text)
        default: nil
        }
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
