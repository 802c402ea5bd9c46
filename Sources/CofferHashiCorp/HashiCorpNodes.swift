internal import CofferCore
internal import CofferHTTP
internal import Synchronization

/// The nodes of a vault's cluster: which one is asked first, and which ones did
/// not answer a moment ago.
///
/// Every node is a candidate for every request. The one that served last is asked
/// first, so that a call costs one request while nothing changes.
final class HashiCorpNodes: Sendable {
    /// How long a node that did not answer is not followed to.
    static let suspicion = Duration.seconds(2)

    private struct State {
        var first = 0
        var suspects: [HTTPOrigin: BootInstant] = [:]
    }

    /// nil = the transport's own address.
    let all: [HTTPOrigin?]
    private let state = Mutex(State())

    /// - Parameter origins: the configured address and those of the other nodes;
    ///   empty = the transport's own address alone.
    init(_ origins: [HTTPOrigin]) { all = origins.isEmpty ? [nil] : origins }

    var isCluster: Bool { all.count > 1 }

    /// Every node once, in the order in which to ask them.
    var order: [HTTPOrigin?] {
        let first = state.withLock { $0.first }
        return Array(all[first...] + all[..<first])
    }

    /// The node has served a request, or says that it is the active one.
    func prefer(_ origin: HTTPOrigin?) {
        guard let index = all.firstIndex(of: origin) else { return }
        state.withLock { state in
            state.first = index
            if let origin { state.suspects[origin] = nil }
        }
    }

    /// The node could not serve a request: the next one is asked first from now on.
    ///
    /// - Parameter silentAt: when it was, if it did not even answer.
    func leave(_ origin: HTTPOrigin?, silentAt: BootInstant?) {
        guard isCluster else { return }
        state.withLock { state in
            if all[state.first] == origin { state.first = (state.first + 1) % all.count }
            if let origin, let silentAt, all.contains(origin) { state.suspects[origin] = silentAt + Self.suspicion }
        }
    }

    /// Whether the node did not answer a moment ago.
    func isSuspect(_ origin: HTTPOrigin, now: BootInstant) -> Bool {
        state.withLock { state in state.suspects[origin].map { now < $0 } ?? false }
    }
}
