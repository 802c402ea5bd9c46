package import CofferCore

/// One data key of a ring and its number, which stands in the header of every
/// record sealed under it.
package struct KeyTerm: Sendable {
    package enum State: UInt8, Sendable {
        /// New records are sealed under it. Exactly one term of a ring is active.
        case active = 1
        /// It opens older records, or waits to be promoted.
        case decryptOnly = 2
    }

    static let keyBytes = 32
    static let nameBytes = 1...64

    /// From 1; never given out twice in a ring.
    package let id: UInt32
    /// For people; 1 to 64 bytes of UTF-8.
    package let name: String
    package internal(set) var state: State
    package let createdAt: WallMilliseconds
    let key: Secret

    init(id: UInt32, name: String, state: State, createdAt: WallMilliseconds, key: Secret) {
        precondition(key.count == Self.keyBytes, "a 32-byte key")
        self.id = id
        self.name = name
        self.state = state
        self.createdAt = createdAt
        self.key = key
    }

    static func isName(_ text: String) -> Bool {
        nameBytes.contains(text.utf8.count)
            && !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
    }
}
