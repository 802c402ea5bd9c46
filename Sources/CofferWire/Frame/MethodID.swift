/// The 32-bit FNV-1a hash of a full method name, for instance
/// `coffer.v1.Credentials/Get` (Fowler, Noll and Vo).
package func methodID(_ fullName: String) -> UInt32 {
    fullName.utf8.reduce(2_166_136_261) { ($0 ^ UInt32($1)) &* 16_777_619 }
}
