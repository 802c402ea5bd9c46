internal import FoundationEssentials

// The file has one event in each line, in the order of time:
//
//     coffer-trace 1
//     records 20000
//     # what nobody has to read
//     0 G 17
//     12 S 20000
//     30 D 17
//     600000 down
//     1200000 up
//
// "records N" says that the vault has the records 0 to N - 1 at the start. Before each
// event stand the milliseconds from the start; G, S and D are Get, Store and Delete
// of a record; down and up, in turns, are the vault's. Each line ends with a line feed.

/// Why a file is no trace.
package struct TraceError: Error, Equatable, CustomStringConvertible {
    /// Counted from 1.
    package let line: Int
    /// What was expected there.
    package let what: String

    package var description: String { "line \(line): \(what)" }
}

extension Trace {
    /// Reads a file.
    ///
    /// - Throws: `TraceError` naming the first line that cannot be; what Foundation
    ///   throws if the file cannot be read.
    package init(path: String) throws {
        try self.init(text: Array(try Data(contentsOf: URL(fileURLWithPath: path))))
    }

    /// - Throws: the first line that cannot be.
    package init(text: [UInt8]) throws(TraceError) {
        var reader = TraceReader(text: text)
        let records = try reader.readHead()
        var events: [Event] = []
        // No event is shorter, most are not much longer.
        events.reserveCapacity(text.count / 12)
        while let event = try reader.readEvent() { events.append(event) }
        self.init(records: records, events: events)
    }

    /// The file.
    ///
    /// - Parameter comment: one line about where it comes from.
    package func text(comment: String) -> [UInt8] {
        var text = Array("coffer-trace 1\nrecords \(records)\n# \(comment)\n".utf8)
        text.reserveCapacity(16 * events.count)
        for event in events {
            let rest =
                switch event.action {
                case .get(let key): "G \(key)"
                case .store(let key): "S \(key)"
                case .delete(let key): "D \(key)"
                case .down: "down"
                case .up: "up"
                }
            text += "\(event.time) \(rest)\n".utf8
        }
        return text
    }
}
