/// The socket that clients connect to, for as long as the daemon listens.
protocol Listener: AnyObject, Sendable {
    /// A listening Unix stream socket, non-blocking.
    var descriptor: Int32 { get }
    /// For people: where clients connect.
    var path: String { get }
    /// Clients that connect to the path reach this socket.
    var isInPlace: Bool { get }
    /// What brings the path back when it no longer leads here.
    var remedy: String { get }
    /// What the log says of it at the start; nil = nothing.
    var notice: String? { get }
    /// It goes on listening for the next daemon when this one stops: connections that wait are the next one's.
    var outlivesDaemon: Bool { get }

    /// Keeps new clients away, as far as that is this daemon's to do.
    func hide()
    /// Hides it, and lets go of it. The last call.
    func close()
}

/// Where the listening socket comes from.
enum ListenerSource {
    /// The daemon makes it, with this mode, and the group of this name or number; empty = its own.
    case path(String, mode: UInt32, group: String)
    /// The service manager made it.
    case handedOver(HandedOverSocket)

    /// A socket that was handed over comes before the configured path.
    init(_ configuration: Configuration, handedOver: HandedOverSocket?) {
        self = handedOver.map { .handedOver($0) } ?? .path(configuration.socket, mode: configuration.socketMode, group: configuration.socketGroup)
    }

    /// - Throws: what is in the way at the path. Nothing of it is left open then.
    func open() throws(StartupError) -> any Listener {
        switch self {
        case .path(let path, let mode, let group): try SocketFile(path: path, mode: mode, group: SocketGroup.number(group))
        case .handedOver(let socket): socket
        }
    }
}
