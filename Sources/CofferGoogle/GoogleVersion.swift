internal import CofferCore
internal import CofferVault
internal import CofferVaultKit

/// A version of a secret, as the service describes it.
struct GoogleVersion: Equatable, Sendable {
    enum State: Equatable, Sendable {
        case enabled, disabled, destroyed
    }

    let number: UInt64
    let state: State
    let created: WallMilliseconds?
    /// Changes with the state, and is another one for a version of the same number of another secret.
    let etag: String?

    /// Trusts nothing; nil for what is no version.
    init?(_ answer: JSON) {
        guard let number = Self.number(ofName: answer["name"]?.text) else { return nil }
        self.number = number
        switch answer["state"]?.text {
        case "DISABLED": state = .disabled
        case "DESTROYED": state = .destroyed
        default: state = .enabled
        }
        created = answer["createTime"]?.text.flatMap(Timestamp.milliseconds(of:))
        etag = answer["etag"]?.text?.unlessEmpty
    }

    /// The last part of "projects/…/secrets/…/versions/7".
    static func number(ofName name: String?) -> UInt64? {
        let parts = name?.split(separator: "/") ?? []
        guard parts.count >= 2, parts[parts.count - 2] == "versions", let number = UInt64(parts[parts.count - 1]), number > 0
        else { return nil }
        return number
    }

    /// The version of a text, which has no place for one of its own. A secret that is made again counts from 1 again;
    /// the time tells its versions from those before.
    static func text(number: UInt64, created: WallMilliseconds) -> String { "\(number)-\(created)" }
}
