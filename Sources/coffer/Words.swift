import Coffer

/// Values as people read them.
enum Words {
    /// "0.4 ms", "12 ms", "3.2 s"
    static func text(_ duration: Duration) -> String {
        let microseconds = Int64(duration / .microseconds(1))
        switch microseconds {
        case ..<10_000: return "\(tenths(microseconds, of: 1_000)) ms"
        case ..<1_000_000: return "\(microseconds / 1_000) ms"
        default: return "\(tenths(microseconds, of: 1_000_000)) s"
        }
    }

    private static func tenths(_ count: Int64, of unit: Int64) -> String {
        "\(count / unit).\(count % unit * 10 / unit)"
    }

    /// The class of a failure of a vault; its number where it has no name here.
    static func text(_ reason: CofferError.Reason) -> String {
        switch reason {
        case .limit: "too many at once"
        case .deadline: "no answer in time"
        case .vaultUnreachable: "unreachable"
        case .vaultRefused: "refused"
        case .vaultFailed: "failed"
        case .unreadableRecord: "unreadable record"
        case .disk: "disk"
        case .internal: "internal"
        default: "reason \(reason.rawValue)"
        }
    }
}
