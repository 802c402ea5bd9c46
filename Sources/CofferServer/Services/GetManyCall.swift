import CofferCache
import CofferCore
import Synchronization

/// A GetMany under way: its keys, how long it waits for vaults, and the flights that it waits for.
final class GetManyCall: Sendable {
    private struct State {
        var unsent: Int
        var isOver = false
        var flights: [FlightBatch] = []
    }

    let keys: [RequestedKey]
    /// 0 = the vault is to be asked after now.
    let maximumAge: UInt64
    /// When it waits no longer, and sends what it has: a little before its deadline.
    let lastWait: BootInstant
    private let state: Mutex<State>

    init(_ keys: [RequestedKey], maximumAge: UInt64, from now: BootInstant, until deadline: BootInstant) {
        self.keys = keys
        self.maximumAge = maximumAge
        let time = Duration.milliseconds(Int64(deadline.milliseconds(since: now)))
        lastWait = now + (time - min(.milliseconds(200), time / 10))
        state = Mutex(State(unsent: keys.count))
    }

    /// - Returns: whether more is to be sent after so many results.
    func noteSent(_ count: Int) -> Bool {
        state.withLock { state in
            state.unsent -= count
            return state.unsent > 0
        }
    }

    /// Its time to wait is over.
    var isOver: Bool { state.withLock { $0.isOver } }

    func begin(_ flights: FlightBatch) { state.withLock { $0.flights.append(flights) } }

    func end(_ flights: FlightBatch) { state.withLock { $0.flights.removeAll { $0 === flights } } }

    /// Notes that the time to wait is over.
    ///
    /// - Returns: the flights that it waited for until now.
    func endWaiting() -> [FlightBatch] {
        state.withLock { state in
            state.isOver = true
            return state.flights
        }
    }
}

/// The flights of some keys of a GetMany: those that it waits for, and those of them that it
/// leads, which set out together when all these keys have been looked at.
final class FlightBatch: Sendable {
    private struct State {
        var missing: Int
        var tickets: [FlightTicket] = []
        var led: Set<UInt64> = []
        /// By the numbers of the tasks that wait.
        var waiting: [UInt64: UInt64] = [:]
        /// Flights led, less those that nobody waits for.
        var wanted = 0
        var tasks: [Task<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(count: Int) { state = Mutex(State(missing: count)) }

    func noteWaiting(_ number: UInt64, for flight: UInt64) { state.withLock { $0.waiting[number] = flight } }

    /// - Returns: the flight that the task waited for, once.
    func noteLeft(_ number: UInt64) -> UInt64? { state.withLock { $0.waiting.removeValue(forKey: number) } }

    /// The numbers of the tasks that wait.
    var waiting: [UInt64] { state.withLock { Array($0.waiting.keys) } }

    func leads(_ flight: UInt64) -> Bool { state.withLock { $0.led.contains(flight) } }

    /// - Returns: all tickets, once, when the last key has been looked at.
    func noteJoined(leading ticket: FlightTicket?) -> [FlightTicket]? {
        state.withLock { state in
            state.missing -= 1
            if let ticket {
                state.tickets.append(ticket)
                state.led.insert(ticket.id)
                state.wanted += 1
            }
            return state.missing == 0 ? state.tickets : nil
        }
    }

    /// Nobody waits for one of the flights led; if that is so of all, they are broken off.
    func noteClosed(_ flight: UInt64) { cancelIfUnwanted { if $0.led.remove(flight) != nil { $0.wanted -= 1 } } }

    func noteStarted(_ tasks: [Task<Void, Never>]) { cancelIfUnwanted { $0.tasks = tasks } }

    private func cancelIfUnwanted(_ change: (inout State) -> Void) {
        let unwanted = state.withLock { state in
            change(&state)
            return state.missing == 0 && state.wanted == 0 ? state.tasks : []
        }
        for task in unwanted { task.cancel() }
    }
}
