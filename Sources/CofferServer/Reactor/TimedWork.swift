import CofferVault

/// Something that a service has its reactor do at some time.
final class TimedWork: WorkItem {
    private let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    func run() { body() }
}
