import CofferCore
import Testing

@testable import CofferGoogle

@Suite struct CRC32CTests {
    /// RFC 3720, appendix B.4, and texts that are computed elsewhere.
    @Test(arguments: [
        ([], 0), (Array("123456789".utf8), 3_808_858_755),
        (Array(#"{"apiKey":"sk_123","secret":"sec_456"}"#.utf8), 3_693_237_187),
        ([UInt8](repeating: 0, count: 32), 0x8a91_36aa), ([UInt8](repeating: 0xff, count: 32), 0x62a8_ab43),
        (Array(0..<32), 0x46dd_794e), (Array((0..<32).reversed()), 0x113f_db5c),
    ] as [([UInt8], UInt32)])
    func sumsAreThese(bytes: [UInt8], sum: UInt32) {
        #expect(CRC32C.checksum(SecretWriter.build(count: bytes.count) { writer in bytes.forEach { writer.append($0) } }) == sum)
    }
}
