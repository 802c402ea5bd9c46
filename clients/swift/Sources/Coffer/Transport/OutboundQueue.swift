/// Frames on their way to the socket, in order; the first may be partly sent.
struct OutboundQueue {
    private struct Item {
        let frame: Frame
        /// The call that the frame starts; nil for a cancel.
        let call: UInt64?
    }

    private var items: [Item] = []
    private var head = 0
    /// How much of the first frame is sent.
    private var sent = 0
    /// Bytes not yet sent.
    private(set) var byteCount = 0

    var isEmpty: Bool { head == items.count }

    mutating func append(_ frame: Frame, startingCall call: UInt64?) {
        items.append(Item(frame: frame, call: call))
        byteCount += frame.bytes.count
    }

    /// Takes out a call's frame if none of it is sent.
    ///
    /// - Returns: whether it was taken out: the daemon has not heard of the call.
    mutating func remove(call: UInt64) -> Bool {
        guard let index = items[head...].firstIndex(where: { $0.call == call }),
            index > head || sent == 0
        else { return false }
        byteCount -= items[index].frame.bytes.count
        items.remove(at: index)
        return true
    }

    /// Takes out the frames of calls of which nothing is sent, in one pass.
    ///
    /// - Returns: those calls: the daemon has not heard of them.
    mutating func removeUnsentCalls(where isWanted: (UInt64) -> Bool = { _ in true }) -> [UInt64] {
        func isUnsent(_ item: Item) -> Bool { item.call.map(isWanted) ?? false }
        let rest = items[(sent == 0 ? head : head + 1)...]
        let unsent = rest.filter(isUnsent)
        items = items[head..<rest.startIndex] + rest.filter { !isUnsent($0) }
        head = 0
        byteCount -= unsent.reduce(0) { $0 + $1.frame.bytes.count }
        return unsent.compactMap(\.call)
    }

    /// Hands bytes to `send` until it takes no more or nothing is left.
    ///
    /// - Parameters:
    ///   - send: sends some of the bytes and says how many; 0 = none fit now.
    ///   - completed: told of each call whose frame is out whole.
    mutating func flush<E: Error>(
        _ send: (UnsafeRawBufferPointer) throws(E) -> Int, completed: (UInt64) -> Void
    ) throws(E) {
        while head < items.count {
            let item = items[head]
            let rest = UnsafeRawBufferPointer(rebasing: item.frame.bytes[sent...])
            let count = try send(rest)
            byteCount -= count
            sent += count
            guard count == rest.count else {
                if count == 0 { return }
                continue
            }
            if let call = item.call { completed(call) }
            sent = 0
            head += 1
            dropSentItems()
        }
    }

    private mutating func dropSentItems() {
        if head == items.count {
            items.removeAll(keepingCapacity: items.count <= 64)
            head = 0
        } else if head >= 256 {
            items.removeFirst(head)
            head = 0
        }
    }
}
