import Synchronization

/// The listening socket, from wherever it comes.
final class ListenerComponent: Component {
    private let source: ListenerSource
    private let opened = Mutex<(any Listener)?>(nil)

    init(_ source: ListenerSource) { self.source = source }

    func start() throws(StartupError) -> any Listener {
        let listener = try source.open()
        opened.withLock { $0 = listener }
        return listener
    }

    func stop() { opened.withLock { $0.take() }?.close() }
}
