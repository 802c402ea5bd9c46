@testable import CofferWire
import Testing

@Suite struct ByteBufferTests {
    private func contents(_ buffer: ByteBuffer) -> [UInt8] { Array(buffer.bytes) }

    private func append(_ bytes: [UInt8], to buffer: ByteBuffer) {
        bytes.withUnsafeBytes { buffer.append($0) }
    }

    @Test func growsAndKeepsOrder() {
        let buffer = ByteBuffer(capacity: 8)
        var expected: [UInt8] = []
        for round in 0..<100 {
            let piece = (0..<round % 13).map { UInt8(($0 + round) & 0xFF) }
            append(piece, to: buffer)
            expected += piece
            if round % 3 == 0 {
                let taken = min(expected.count, round % 7)
                buffer.consume(taken)
                expected.removeFirst(taken)
            }
            #expect(contents(buffer) == expected)
        }
    }

    @Test func growsByNoMoreThanIsAskedFor() {
        let buffer = ByteBuffer(capacity: 16)
        append([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], to: buffer)
        buffer.consume(4)
        // There is room when what waits moves to the front.
        buffer.makeRoom(exactly: 10)
        #expect(buffer.capacity == 16)
        buffer.makeRoom(exactly: 11)
        #expect(buffer.capacity == 17)
        append(Array(repeating: 11, count: 11), to: buffer)
        #expect(buffer.capacity == 17)
        #expect(contents(buffer) == [5, 6, 7, 8, 9, 10] + Array(repeating: 11, count: 11))
    }

    @Test func wipesWhatItGivesUp() {
        let buffer = ByteBuffer(capacity: 16)
        append([1, 2, 3, 4, 5, 6, 7, 8], to: buffer)
        let front = buffer.pointer(at: 0)
        buffer.consume(4)
        #expect(Array(UnsafeRawBufferPointer(start: front, count: 4)) == [0, 0, 0, 0])
        buffer.consume(2)
        #expect(contents(buffer) == [7, 8])
        #expect(Array(UnsafeRawBufferPointer(start: front, count: 8)) == [0, 0, 0, 0, 0, 0, 7, 8])
        // Room is made by moving to the front; what stays behind is wiped.
        append(Array(repeating: 9, count: 13), to: buffer)
        #expect(buffer.capacity == 16)
        #expect(contents(buffer) == [7, 8] + Array(repeating: 9, count: 13))
        buffer.wipe()
        #expect(Array(UnsafeRawBufferPointer(start: front, count: 16)).allSatisfy { $0 == 0 })
    }
}

@Suite struct ArenaTests {
    @Test func refusesWhatDoesNotFitAndWipesWhatItTakesBack() throws {
        let arena = Arena(capacity: 64)
        let first = try #require(arena.allocate(20))
        first.storeBytes(of: 0xAA, as: UInt8.self)
        #expect(arena.allocate(33) == nil)
        #expect(arena.allocate(Int.max) == nil)
        #expect(arena.allocate(-1) == nil)
        #expect(arena.allocate(32) != nil)
        arena.reset()
        #expect(first.load(as: UInt8.self) == 0)
        #expect(arena.allocate(64) == first)
    }
}

@Suite struct GetResponseTailTests {
    private func encoded(_ tail: GetResponseTail) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: GetResponseTail.maximumBytes)
        let count = bytes.withUnsafeMutableBytes { tail.write(to: $0.baseAddress!) }
        return Array(bytes[..<count])
    }

    @Test func writesFieldsSevenToNine() {
        #expect(encoded(.init(source: .memory, ageMilliseconds: 0)) == [0x38, 1])
        #expect(encoded(.init(source: .vault, ageMilliseconds: 300)) == [0x38, 2, 0x40, 0xAC, 2])
        #expect(encoded(.init(source: .staleOnError, ageMilliseconds: 1)) == [0x38, 3, 0x40, 1, 0x48, 1])
        #expect(encoded(.init(source: .staleOnError, ageMilliseconds: .max)).count == GetResponseTail.maximumBytes)
    }
}
