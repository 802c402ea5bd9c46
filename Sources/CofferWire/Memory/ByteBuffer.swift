import CLinux
import Glibc

/// Bytes waiting to be read or written: grows as needed, wiped as consumed.
///
/// Belongs to one thread, hence no run-time exclusivity checks.
package final class ByteBuffer {
    @exclusivity(unchecked) private var base: UnsafeMutableRawPointer
    @exclusivity(unchecked) package private(set) var capacity: Int
    @exclusivity(unchecked) private var start = 0
    @exclusivity(unchecked) private var end = 0

    package init(capacity: Int) {
        self.capacity = capacity
        base = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit {
        wipe()
        base.deallocate()
    }

    package var count: Int { end - start }
    package var isEmpty: Bool { start == end }

    /// The bytes that wait; valid until the next change.
    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + start, count: end - start)
    }

    /// Room for `count` bytes at the end; `commit` says how many were written.
    @inline(__always)
    package func reserve(_ count: Int) -> UnsafeMutableRawPointer {
        if capacity - end < count { makeRoom(count) }
        return base + end
    }

    /// Has room for `count` bytes at the end afterwards, and no more than that if it has to grow.
    package func makeRoom(exactly count: Int) {
        if self.count + count > capacity {
            grow(to: self.count + count)
        } else if capacity - end < count {
            makeRoom(count)
        }
    }

    /// What `capacity` will be once there is room for `count` bytes at the end.
    package func capacity(reserving count: Int) -> Int {
        self.count + count <= capacity ? capacity : max(capacity * 2, self.count + count)
    }

    @inline(__always)
    package func commit(_ count: Int) { end += count }

    package func append(_ source: UnsafeRawBufferPointer) {
        guard let from = source.baseAddress else { return }
        reserve(source.count).copyMemory(from: from, byteCount: source.count)
        commit(source.count)
    }

    /// Takes `count` bytes away from the front, wiped.
    package func consume(_ count: Int) {
        coffer_wipe(base + start, count)
        start += count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Overwrites bytes written before, `offset` bytes from the front.
    package func pointer(at offset: Int) -> UnsafeMutableRawPointer { base + start + offset }

    package func wipe() {
        coffer_wipe(base + start, end - start)
        start = 0
        end = 0
    }

    private func makeRoom(_ extra: Int) {
        let held = count
        if held + extra <= capacity {
            memmove(base, base + start, held)
            coffer_wipe(base + max(held, start), end - max(held, start))
        } else {
            return grow(to: capacity(reserving: extra))
        }
        start = 0
        end = held
    }

    private func grow(to larger: Int) {
        let held = count
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        fresh.copyMemory(from: base + start, byteCount: held)
        coffer_wipe(base + start, held)
        base.deallocate()
        base = fresh
        capacity = larger
        start = 0
        end = held
    }
}
