import CofferCore

/// Connections that take no reply bytes, by their uids, in the order in which that began. One
/// that takes some again stays in until it is found or pruned.
struct StalledQueue {
    struct Item {
        let connection: UInt64
        let since: BootInstant
    }

    private struct Line {
        var items: [Item] = []
        // What stands before it has left.
        var head = 0
        /// How many items are to be pruned.
        var pruneAt = leastPruned
    }

    /// Below this many items nothing is worth pruning.
    private static let leastPruned = 1_024

    private var lines: [UInt32: Line] = [:]

    var count: Int { lines.values.reduce(0) { $0 + $1.items.count - $1.head } }

    /// Those with connections in it.
    var uids: [UInt32] { Array(lines.keys) }

    mutating func insert(_ item: Item, uid: UInt32, isStalled: (Item) -> Bool) {
        var line = lines.removeValue(forKey: uid) ?? Line()
        line.items.append(item)
        if line.items.count >= line.pruneAt {
            line.items.removeFirst(line.head)
            line.head = 0
            line.items.removeAll { !isStalled($0) }
            line.pruneAt = max(Self.leastPruned, 2 * line.items.count)
        }
        lines[uid] = line
    }

    /// The connection of the uid that has taken nothing for the longest.
    mutating func longest(uid: UInt32, besides excluded: UInt64?, isStalled: (Item) -> Bool) -> Item? {
        guard var line = lines.removeValue(forKey: uid) else { return nil }
        var place = line.head
        while place < line.items.count {
            let item = line.items[place]
            if !isStalled(item) {
                // Whatever has been passed over moves behind it.
                if place > line.head { line.items.swapAt(place, line.head) }
                line.head += 1
            } else if item.connection != excluded {
                lines[uid] = line
                return item
            }
            place += 1
        }
        if line.head < line.items.count { lines[uid] = line }
        return nil
    }
}
