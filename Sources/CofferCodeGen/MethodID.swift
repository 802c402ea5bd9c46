/// The id of a method in a frame: the 32-bit FNV-1a hash (Fowler, Noll and Vo)
/// of its full name, for instance `coffer.v1.Credentials/Get`.
package func methodID(_ fullName: String) -> UInt32 {
    var hash: UInt32 = 2_166_136_261
    for byte in fullName.utf8 {
        hash ^= UInt32(byte)
        hash &*= 16_777_619
    }
    return hash
}

/// Method ids given out in one run, so that two methods never share one.
struct MethodIDRegistry {
    private var owners: [UInt32: String] = [:]
    private let hash: (String) -> UInt32

    /// - Parameter hash: what makes an id of a full name; tests pass one that collides.
    init(hash: @escaping (String) -> UInt32 = methodID) { self.hash = hash }

    /// - Throws: `GenerationError` if another method has the same id.
    mutating func id(for fullName: String) throws(GenerationError) -> UInt32 {
        let id = hash(fullName)
        if let owner = owners[id] {
            throw GenerationError(
                fullName, "has the same method id as \(owner), \(hexadecimal(id)); rename one of them")
        }
        owners[id] = fullName
        return id
    }
}

/// A Swift literal such as `0x01AB_23CD`.
func hexadecimal(_ value: UInt32) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    let padded = String(repeating: "0", count: 8 - digits.count) + digits
    return "0x\(padded.prefix(4))_\(padded.suffix(4))"
}
