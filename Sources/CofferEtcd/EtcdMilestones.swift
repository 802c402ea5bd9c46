internal import Synchronization

/// Where pages of long listings may end. etcd 3.4 counts all keys of the range that it is asked for, whatever the limit:
/// without an end nearby each page of 100,000 records took three times as long for each record as one of 1,000.
///
/// Names of records, a page apart, and where a listing ended. They are hints: records that come and go between two of them make
/// that page's range longer or shorter, and where it has become long, they are forgotten.
final class EtcdMilestones: Sendable {
    /// Of a part of one listing.
    private struct Stretch {
        let folder: String
        /// Behind which it begins; nil = at the listing's beginning.
        let start: [UInt8]?
        /// At least one.
        let names: [[UInt8]]
        /// Nothing followed the last name.
        let isLast: Bool

        /// What is known of the part behind `last`; nil if this is another part.
        func next(in folder: String, after last: [UInt8]?) -> Next? {
            guard folder == self.folder else { return nil }
            guard let last else { return start == nil ? names.first.map { .milestone($0) } : nil }
            if let start, last.lexicographicallyPrecedes(start) { return nil }
            if let name = names.first(where: { last.lexicographicallyPrecedes($0) }) { return .milestone(name) }
            return isLast && last == names.last ? .end : nil
        }
    }

    /// What follows in a listing.
    enum Next: Equatable {
        case milestone([UInt8])
        /// Little or nothing, so no milestone.
        case end
    }

    private struct State {
        /// The latest last.
        var stretches: [Stretch] = []
        var longFolders: [String] = []
        var namesAtOnce = 20_000
    }

    /// So many of the longest names fit into an answer.
    private static let fewestNames = 1_250

    /// Parts of listings, each of as many records as `namesAtOnce`: all of a listing of a million. With names of 100
    /// bytes they are some 150 KB.
    private static let most = 64
    /// Folders of that length.
    private static let mostFolders = 8

    private let state = Mutex(State())

    /// Where a page may end that begins behind `last`; nil = not known.
    func next(in folder: String, after last: [UInt8]?) -> Next? {
        state.withLock { state in state.stretches.lazy.compactMap { $0.next(in: folder, after: last) }.first }
    }

    /// Many records have come behind `last` since: that part's names are asked for again.
    func forget(_ folder: String, after last: [UInt8]?) {
        state.withLock { state in state.stretches.removeAll { $0.next(in: folder, after: last) != nil } }
    }

    /// What one call shows of the names that follow, without values.
    var namesAtOnce: Int { state.withLock { $0.namesAtOnce } }

    /// An answer with so many names was larger than is read.
    ///
    /// - Returns: whether fewer may be asked for.
    func noteTooLarge(_ names: Int) -> Bool {
        state.withLock { state in
            state.namesAtOnce = min(state.namesAtOnce, max(Self.fewestNames, names / 4))
            return state.namesAtOnce < names
        }
    }

    /// Whether there were so many records that milestones are worth a call.
    func isLong(_ folder: String) -> Bool { state.withLock { $0.longFolders.contains(folder) } }

    func note(_ folder: String, isLong: Bool) {
        state.withLock { state in
            state.longFolders.removeAll { $0 == folder }
            if isLong { state.longFolders.append(folder) }
            if state.longFolders.count > Self.mostFolders { state.longFolders.removeFirst() }
        }
    }

    /// - Parameters:
    ///   - names: in their order, all behind `start`; none are not kept.
    ///   - isLast: nothing follows them.
    func note(_ names: [[UInt8]], in folder: String, after start: [UInt8]?, isLast: Bool) {
        guard !names.isEmpty else { return }
        state.withLock { state in
            state.stretches.removeAll { $0.folder == folder && $0.start == start }
            state.stretches.append(Stretch(folder: folder, start: start, names: names, isLast: isLast))
            if state.stretches.count > Self.most { state.stretches.removeFirst() }
        }
    }
}
