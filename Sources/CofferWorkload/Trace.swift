/// What clients and a vault do over some time: the workload that caches are compared on.
///
/// Records are numbers. What a number is called, and what its value is, is up to
/// whoever plays the trace.
package struct Trace: Equatable, Sendable {
    /// One more than the largest number that a record can have.
    package static let maximumKeys: UInt32 = 16_777_216

    /// One thing that happens.
    package struct Event: Equatable, Sendable {
        /// Milliseconds from the start; never less than those of the event before.
        package let time: UInt32
        package let action: Action

        package init(time: UInt32, _ action: Action) {
            self.time = time
            self.action = action
        }
    }

    /// What happens: a call about a record, or the vault goes or comes back.
    package enum Action: Equatable, Sendable {
        case get(UInt32)
        case store(UInt32)
        case delete(UInt32)
        case down
        case up

        /// The record that it is about.
        package var key: UInt32? {
            switch self {
            case .get(let key), .store(let key), .delete(let key): key
            case .down, .up: nil
            }
        }
    }

    /// The vault has those below this at the start.
    package let records: UInt32
    package let events: [Event]

    package init(records: UInt32, events: [Event]) {
        self.records = records
        self.events = events
    }

    /// One more than the largest number of a record in it.
    package var keys: UInt32 {
        events.reduce(records) { max($0, $1.action.key.map { $0 + 1 } ?? 0) }
    }
}
