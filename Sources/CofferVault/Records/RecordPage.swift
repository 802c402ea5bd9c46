package import CofferCore

/// One page of a listing, as records.
package struct RecordPage: Sendable {
    package var records: [Record] = []
    /// Those that are there and cannot be read.
    package var unreadable: [UnreadableRecord] = []
    /// Where the next page begins; nil = this was the last one.
    package var next: [UInt8]?

    package init(next: [UInt8]? = nil) { self.next = next }
}
