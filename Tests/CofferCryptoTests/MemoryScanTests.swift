import CofferCore
import Foundation
import Testing

@testable import CofferCrypto

/// Looks for the boot key in the process's own memory. Alone: other tests would
/// move what it reads.
@Suite(.serialized) struct MemoryScanTests {
    private let key = BootKey()

    private func use(_ sealer: CacheSealer) {
        let plaintext = [UInt8](repeating: 1, count: 333)
        var sealed = [UInt8](repeating: 0, count: plaintext.count + CacheSealer.overheadBytes)
        var opened = plaintext
        for _ in 0..<50 {
            let nonce = plaintext.withUnsafeBytes { plaintext in
                sealed.withUnsafeMutableBytes { sealer.seal(plaintext, into: $0) }
            }
            let isOpen = sealed.withUnsafeBytes { sealed in
                opened.withUnsafeMutableBytes { sealer.open(sealed, nonce: nonce, into: $0) }
            }
            #expect(isOpen)
        }
    }

    @Test func theKeyIsNowhereElseWhenASealerRests() throws {
        let needle = MaskedNeedle(key.bytes)
        let sealer = CacheSealer(key: key)
        use(sealer)
        // With AES instructions the first two round keys are the key as it is: the
        // scan sees OpenSSL's context.
        #if arch(x86_64)
            #expect(try needle.count() > 0)
        #endif
        sealer.rest()
        #expect(try needle.count() == 0)
        use(sealer)
        sealer.rest()
        #expect(try needle.count() == 0)
    }

    @Test func theKeyGoesWithTheSealer() throws {
        let needle = MaskedNeedle(key.bytes)
        var sealer: CacheSealer? = CacheSealer(key: key)
        use(try #require(sealer))
        sealer = nil
        #expect(try needle.count() == 0)
    }

    @Test func theScanFindsAPlantedCopy() throws {
        let needle = MaskedNeedle(key.bytes)
        #expect(try needle.count() == 0)
        let planted = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 16)
        defer { planted.deallocate() }
        // At an odd place: the scan does not rely on alignment.
        UnsafeMutableRawBufferPointer(rebasing: planted[13..<45]).copyMemory(from: key.bytes)
        #expect(try needle.count() == 1)
        planted.initializeMemory(as: UInt8.self, repeating: 0)
        #expect(try needle.count() == 0)
    }

    @Test func theKeyIsWhereTheScanMayNotLook() throws {
        let hasSecretMemory = try MaskedNeedle.regions().contains { $0.name.contains("secretmem") }
        #expect(!key.warnings.contains { $0.hasPrefix("memfd_secret") } == hasSecretMemory)
    }
}

/// The key's first and second 8 bytes, masked, so that holding them is no copy.
private struct MaskedNeedle {
    private static let mask: UInt64 = 0x5bd1_e995_a5a5_c3c3
    private let first, second: UInt64
    /// Where the key itself lies.
    private let home: UInt

    init(_ key: UnsafeRawBufferPointer) {
        first = key.loadUnaligned(as: UInt64.self) ^ Self.mask
        second = key.loadUnaligned(fromByteOffset: 8, as: UInt64.self) ^ Self.mask
        home = UInt(bitPattern: key.baseAddress)
    }

    struct Region {
        let start, end: UInt
        let name: String
    }

    /// The writable mappings of this process.
    static func regions() throws -> [Region] {
        try maps().split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 5, omittingEmptySubsequences: true)
            let bounds = fields[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            guard fields[1].contains("w"), bounds.count == 2 else { return nil }
            return Region(start: bounds[0], end: bounds[1], name: fields.count > 5 ? String(fields[5]) : "")
        }
    }

    /// Read to its end: Foundation stops at the first part of a file that states no size.
    private static func maps() throws -> String {
        let file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC)
        try #require(file >= 0)
        defer { close(file) }
        var text: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65_536)
        while case let got = read(file, &part, part.count), got > 0 { text += part[..<got] }
        return String(decoding: text, as: UTF8.self)
    }

    /// How often the needle occurs outside of its home.
    func count() throws -> Int {
        let memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC)
        try #require(memory >= 0)
        defer { close(memory) }
        // Mapped apart, and left out: it holds copies of what was read.
        let size = 1 << 20
        let window = try #require(
            mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        defer { munmap(window, size) }
        let windowStart = UInt(bitPattern: window)
        var hits = 0
        var scanned = 0
        let regions = try Self.regions()
        try #require(regions.contains { $0.name.hasSuffix("[stack]") }, "the list of mappings is whole")
        for region in regions where !region.name.contains("secretmem") {
            // Neighbouring mappings are shown as one, so the window is cut out by address.
            var address = region.start
            while address < region.end {
                if address >= windowStart, address < windowStart + UInt(size) {
                    address = windowStart + UInt(size)
                    continue
                }
                var length = min(UInt(size), region.end - address)
                if address < windowStart { length = min(length, windowStart - address) }
                let got = pread(memory, window, Int(length), off_t(address))
                guard got > 0 else { break }
                scanned += got
                hits += occurrences(in: UnsafeRawBufferPointer(start: window, count: got), at: address)
                // Overlap, for what lies across the border.
                address += got == Int(length) && address + length < region.end && length > 16 ? length - 15 : UInt(got)
            }
        }
        try #require(scanned > 1 << 20, "the scan reads this process's memory")
        return hits
    }

    private func occurrences(in bytes: UnsafeRawBufferPointer, at address: UInt) -> Int {
        guard bytes.count >= 16 else { return 0 }
        // memchr for the first byte: a debug build could not look at each in time.
        let start = bytes.baseAddress!
        let firstByte = Int32(truncatingIfNeeded: UInt8(truncatingIfNeeded: first ^ Self.mask))
        var offset = 0
        var hits = 0
        while offset <= bytes.count - 16, let found = memchr(start + offset, firstByte, bytes.count - 15 - offset) {
            offset = start.distance(to: UnsafeRawPointer(found))
            if bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) ^ Self.mask == first,
                bytes.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self) ^ Self.mask == second,
                address + UInt(offset) != home
            {
                hits += 1
            }
            offset += 1
        }
        return hits
    }
}
