/// What is asked, and how much of it at once. Ranges: see `LoadOptions.validate`.
struct Workload: Sendable {
    var connections = 8
    /// Connections beside those, which send nothing.
    var idleConnections = 0
    /// Calls in flight on each connection.
    var depth = 1
    var valueBytes = 256
    var keys: UInt32 = 1000
    var distribution = KeyDistribution.uniform
    /// The share of Store, 0 to 1.
    var storeShare = 0.0
    var seed: UInt64 = 1
    /// One answer in this many is decoded whole and compared.
    var checkEvery: UInt64 = 1024
}

/// When it is asked.
struct Schedule: Sendable {
    enum Length: Sendable {
        case seconds(Double)
        case requests(Int)
    }

    /// Store every record once, before anything else.
    var prepare = false
    /// Then read every record once, so that what can be cached is.
    var fill = false
    /// Runs before the measured part. 0 where the length is in requests.
    var warmupSeconds = 0.0
    var length: Length
}

/// How likely each record is to be chosen.
package enum KeyDistribution: String, CaseIterable, Codable, Sendable {
    case uniform
    /// Zipf's law with exponent 0.99: record 0 is asked for most.
    case zipf
}

/// The methods that are measured.
enum Method: UInt8, Sendable, CaseIterable {
    case get
    case store
    /// Of traces only, so of the daemon only.
    case delete

    var fullName: String {
        switch self {
        case .get: "coffer.v1.Credentials/Get"
        case .store: "coffer.v1.Credentials/Store"
        case .delete: "coffer.v1.Credentials/Delete"
        }
    }

    var id: UInt32 { Self.id(of: fullName) }

    /// The 32-bit FNV-1a hash of the full name of any method.
    static func id(of fullName: String) -> UInt32 {
        fullName.utf8.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }
}
