internal import CofferCore
internal import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// Doubts what is cached, again and again, for as long as the listener does not hear of changes.
///
/// The deadline watch repeats it and not the listener's own thread, which may be stuck: libpq looks a host's name up for
/// as long as the system takes.
final class PostgresDoubt: DeadlineKeeper {
    /// What is cached is asked for again after at most this time.
    static let interval = Duration.milliseconds(500)

    private let feed: ChangeFeed
    private let watch: DeadlineWatch
    private let clock: any Clock
    /// When it is said next; nil = changes are heard.
    private let next = Mutex<BootInstant?>(nil)

    init(_ feed: ChangeFeed, _ watch: DeadlineWatch, clock: any Clock) {
        self.feed = feed
        self.watch = watch
        self.clock = clock
        watch.add(self)
    }

    /// Changes are not heard from now on: says so at once and every ``interval`` until `end`.
    func begin() {
        let first = clock.boot + Self.interval
        next.withLock { next in
            feed.post(.everything)
            next = next ?? first
        }
        watch.note(first)
    }

    /// Changes are heard. What was written before may not have been, so everything is doubted once more.
    func end() {
        next.withLock { next in
            feed.post(.everything)
            next = nil
        }
    }

    /// The vault is being closed.
    func stop() { next.withLock { $0 = nil } }

    /// For the watch.
    func expire(now: BootInstant) -> BootInstant? {
        next.withLock { next in
            guard let due = next, now >= due else { return next }
            // Under the lock: none comes after `end`.
            feed.post(.everything)
            next = now + Self.interval
            return next
        }
    }
}
