import CofferCore
import CofferHTTP
import Glibc
import Testing

/// What of a credential stays in the memory of this process after a request.
@Suite struct WipingTests {
    @Test("neither header, request nor answer stays in memory", .timeLimit(.minutes(2)))
    func nothingStays() async throws {
        let servers = try HostileServers.shared.get()
        let client = try engine.get().client(servers.endpoint("wiped", isSecure: false))
        let canary = UInt64.random(in: .min ... .max)
        try await exchange(client, canary)
        // The I/O thread clears its stack after it has answered.
        try await Task.sleep(for: .milliseconds(200))
        #expect(try count(of: canary) == 0)
        let planted = secret(canary)
        #expect(try count(of: canary) >= 1)
        withExtendedLifetime(planted) {}
    }

    /// The canary a hundred times over, as printable text.
    private func secret(_ canary: UInt64) -> Secret {
        SecretWriter.build(count: 1600) { writer in
            for _ in 0..<100 {
                for shift in stride(from: 60, through: 0, by: -4) {
                    writer.append(UInt8(truncatingIfNeeded: 0x41 + (canary >> UInt64(shift)) & 15))
                }
            }
        }
    }

    private func exchange(_ client: HTTPClient, _ canary: UInt64) async throws {
        let request = HTTPRequest(
            .post, "/", headers: [HTTPHeader("X-Vault-Token", secret(canary))], body: secret(canary))
        let response = try await client.send(request, deadline: SystemClock().boot + .seconds(20))
        // The server answers with the request itself.
        #expect(response.body.count > 3200)
    }

    /// Occurrences of the canary's text in all readable and writable memory.
    private func count(of canary: UInt64) throws -> Int {
        let needle = (0..<16).map { UInt8(truncatingIfNeeded: 0x41 + (canary >> UInt64(60 - 4 * $0)) & 15) }
        let memory = open("/proc/self/mem", O_RDONLY)
        defer { close(memory) }
        var found = 0
        let window = UnsafeMutableRawBufferPointer(
            start: mmap(nil, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), count: 1 << 20)
        defer { munmap(window.baseAddress!, window.count) }
        for region in try regions() where !region.contains(UInt(bitPattern: window.baseAddress)) {
            var at = region.lowerBound
            while at < region.upperBound {
                let bytes = pread(memory, window.baseAddress, min(window.count, Int(region.upperBound - at)), off_t(at))
                guard bytes > 0 else { break }
                found += occurrences(of: needle, in: UnsafeRawBufferPointer(rebasing: window[..<bytes]))
                at += UInt(bytes)
            }
        }
        return found
    }

    /// Twice in a row: so a secret has it, and no copy of the needle.
    private func occurrences(of needle: [UInt8], in bytes: UnsafeRawBufferPointer) -> Int {
        var (found, from) = (0, 0)
        while from + 32 <= bytes.count,
            let hit = memchr(bytes.baseAddress! + from, Int32(needle[0]), bytes.count - from - 31)
        {
            let index = bytes.baseAddress!.distance(to: hit)
            if needle.withUnsafeBytes({
                memcmp(hit, $0.baseAddress!, 16) == 0 && memcmp(hit + 16, $0.baseAddress!, 16) == 0
            }) {
                found += 1
            }
            from = index + 1
        }
        return found
    }

    private func regions() throws -> [Range<UInt>] {
        let maps = try #require(fopen("/proc/self/maps", "r"))
        defer { fclose(maps) }
        var regions: [Range<UInt>] = []
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), maps) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            let words = text.split(separator: " ")
            let bounds = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            if bounds.count == 2, words[1].hasPrefix("rw") { regions.append(bounds[0]..<bounds[1]) }
        }
        return regions
    }
}
