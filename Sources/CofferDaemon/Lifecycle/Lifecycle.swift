import Synchronization

/// The daemon's components in the order in which they were started. They are reloaded in this order,
/// and drained and stopped in the reverse one: all are drained before the first is stopped.
final class Lifecycle: Sendable {
    private struct State {
        var components: [any Component] = []
        var isReloading = true
    }

    private let state = Mutex(State())

    /// Those that `start` starts, one after another, with ``start(_:)``.
    ///
    /// - Throws: what `start` throws. What was started by then is drained, and then undone, the last first.
    static func started<Value>(
        by start: (Lifecycle) throws(StartupError) -> Value
    ) throws(StartupError) -> (Lifecycle, Value) {
        let lifecycle = Lifecycle()
        do throws(StartupError) {
            return (lifecycle, try start(lifecycle))
        } catch {
            let components = lifecycle.endReloads().reversed()
            for component in components { component.drain() }
            for component in components { component.undo(after: error) }
            throw error
        }
    }

    /// Starts a component, behind those that were started before.
    @discardableResult
    func start<Started: Component>(_ component: Started) throws(StartupError) -> Started.Product {
        let product = try component.start()
        state.withLock { $0.components.append(component) }
        return product
    }

    /// Reloads each component, whether or not others could be. What is left of it once a drain has begun is not done.
    func reload(_ configuration: Configuration) -> ReloadOutcome {
        var outcome = ReloadOutcome()
        var next = 0
        while let component = reloadable(next) {
            outcome = outcome + component.reload(configuration)
            next += 1
        }
        return outcome
    }

    /// Finishes what the components have taken. A reload under way ends with the component that it has come to.
    func drain() {
        for component in endReloads().reversed() { component.drain() }
    }

    /// Stops what was drained.
    func stop() {
        let components = state.withLock { state in
            defer { state.components = [] }
            return state.components
        }
        for component in components.reversed() { component.stop() }
    }

    private func reloadable(_ index: Int) -> (any Component)? {
        state.withLock { $0.isReloading && index < $0.components.count ? $0.components[index] : nil }
    }

    private func endReloads() -> [any Component] {
        state.withLock { state in
            state.isReloading = false
            return state.components
        }
    }
}
