internal import CofferCore
internal import CofferVaultKit

/// The metadata of a key: members for people and other programs, and the time after
/// which the vault collects a version. Several programs and the operator write it,
/// so the daemon changes only what is its own.
struct HashiCorpMetadata: Equatable, Sendable {
    /// As many as the engine takes.
    private static let maximumMembers = 64
    /// The time that the daemon set, so that it is told from an operator's.
    private static let ourLifetime = "coffer_delete_after"
    /// The time of others that gave way to a shorter one of ours.
    private static let othersLifetime = "coffer_kept_delete_after"

    private var members: [String: String] = [:]
    /// Seconds until a version is collected; 0 = never.
    private(set) var lifetime: Int64 = 0
    /// False if the token may not see it: then no members are written, which would
    /// replace those that are there.
    private let isReadable: Bool

    /// Of a key that has none.
    init(isReadable: Bool = true) { self.isReadable = isReadable }

    /// - Parameters:
    ///   - custom: `custom_metadata`, or nil.
    ///   - lifetime: by the times of the newest version.
    init(custom: JSON?, lifetime: Int64) {
        self.init()
        self.lifetime = lifetime
        for member in (custom?.members ?? []).prefix(2 * Self.maximumMembers) {
            members[member.name] = member.value.text
        }
    }

    /// Of the answer to a GET of `metadata/`.
    init(ofKey data: JSON?) {
        self.init(
            custom: data?["custom_metadata"],
            lifetime: data?["delete_version_after"]?.text.flatMap(Self.seconds) ?? 0)
    }

    /// With what the daemon says of a record.
    ///
    /// - Parameter wanted: seconds that it is to live; 0 = for ever. A time of others
    ///   that is shorter stays, and one that is longer comes back once ours is gone.
    func changed(for key: RecordKey, created: WallMilliseconds, lifetime wanted: Int64) -> HashiCorpMetadata {
        var new = self
        let others = othersSeconds
        new.lifetime = [wanted, others].filter { $0 > 0 }.min() ?? 0
        guard isReadable else { return new }
        new.members[Self.ourLifetime] = new.lifetime == others ? "0s" : "\(new.lifetime)s"
        new.members[Self.othersLifetime] = others > 0 && new.lifetime != others ? "\(others)s" : nil
        new.members["created"] = Timestamp.text(created)
        for (name, id) in [("user", key.user), ("connection", key.connection)] {
            // The vault takes 1 to 512 printable bytes, and says itself what is printable.
            let isPlain = id.utf8.allSatisfy { (0x20...0x7E).contains($0) }
            let text = isPlain ? id : HashiCorpNames.segment(id)
            new.members[name] = text.utf8.count <= 512 ? text : nil
        }
        if new.members.count > Self.maximumMembers { new.members = members }
        return new
    }

    /// The time that somebody else has set for the key; 0 = none.
    private var othersSeconds: Int64 {
        if let kept = members[Self.othersLifetime].flatMap(Self.seconds) { return kept }
        guard let ours = members[Self.ourLifetime] else {
            // A version of the daemon that left no mark replaced whatever was there.
            return ["user", "connection", "created"].allSatisfy { members[$0] != nil } ? 0 : lifetime
        }
        return Self.seconds(ours) == lifetime ? 0 : lifetime
    }

    /// Of a POST to `metadata/`. What it does not name stays.
    var body: JSON {
        let custom = members.sorted { $0.key < $1.key }.map { (name: $0.key, value: JSON.string($0.value)) }
        let time = (name: "delete_version_after", value: JSON.string("\(lifetime)s"))
        return .object(isReadable ? [("custom_metadata", .object(custom)), time] : [time])
    }

    /// More than any duration of the engine has, and few enough that no sum of their parts overflows.
    private static let maximumDurationBytes = 64

    /// A duration as the engine writes it, "720h0m0s": in whole seconds, fractions
    /// left out. nil for any other text.
    static func seconds(_ text: String) -> Int64? {
        guard text.utf8.count <= maximumDurationBytes else { return nil }
        let units: [Character: Int64] = ["h": 3600, "m": 60, "s": 1]
        var (total, number) = (Int64(0), "")
        for character in text {
            if let unit = units[character] {
                guard let value = Int64(number.prefix { $0 != "." }), value <= 4_000_000_000 else { return nil }
                total += value * unit
                number = ""
            } else if character.isASCII, character.isNumber || character == "." {
                number.append(character)
            } else {
                return nil
            }
        }
        return number.isEmpty && !text.isEmpty ? total : nil
    }
}
