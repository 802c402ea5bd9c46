import CofferCore

/// The steps of stopping. Pure: the reactor acts on them.
struct Drain {
    enum Step { case wait, stopReading, refuseWaiting }

    private let stopReadingAt: BootInstant
    private let refuseAt: BootInstant
    /// When the reactor stops, whatever is open.
    let end: BootInstant
    var isDone = false
    private var reached = Step.wait

    /// - Parameter seconds: from the start to the end. A quarter of it is for
    ///   peers to finish and hang up, half for vaults to answer.
    init(start: BootInstant, seconds: Int) {
        let milliseconds = Int64(seconds) * 1_000
        stopReadingAt = start + .milliseconds(milliseconds / 4)
        refuseAt = start + .milliseconds(milliseconds * 3 / 4)
        end = start + .milliseconds(milliseconds)
    }

    /// How often a reactor looks whether the others are done.
    static let pollMilliseconds: Int64 = 5

    /// The step whose time has come, each once.
    mutating func step(now: BootInstant) -> Step {
        switch reached {
        case .wait where now >= stopReadingAt: reached = .stopReading
        case .stopReading where now >= refuseAt: reached = .refuseWaiting
        default: return .wait
        }
        return reached
    }
}
