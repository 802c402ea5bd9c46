internal import CLinux
internal import CofferCore

/// Collects the body of an answer in memory that is wiped, when it grows too.
struct ResponseBuffer: ~Copyable {
    private var memory = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var count = 0
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    deinit { Self.release(memory) }

    var isEmpty: Bool { count == 0 }

    /// Appends; `announced` is the expected size of the whole, or less if unknown.
    ///
    /// - Returns: false if the body is over the limit; nothing is kept of it then.
    mutating func append(_ bytes: UnsafeRawBufferPointer, announced: Int64) -> Bool {
        let needed = count + bytes.count
        guard needed <= limit, announced <= Int64(limit) else { return false }
        if needed > memory.count {
            grow(to: min(limit, max(needed, Int(max(0, announced)), memory.count * 2, 512)))
        }
        UnsafeMutableRawBufferPointer(rebasing: memory[count...]).copyMemory(from: bytes)
        count = needed
        return true
    }

    private mutating func grow(to capacity: Int) {
        let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[..<count]))
        Self.release(memory)
        memory = larger
    }

    /// What was collected.
    func secret() -> Secret { Secret(copying: UnsafeRawBufferPointer(rebasing: memory[..<count])) }

    private static func release(_ region: UnsafeMutableRawBufferPointer) {
        guard let base = region.baseAddress else { return }
        coffer_wipe(base, region.count)
        region.deallocate()
    }
}
