import CofferCache
import CofferCore
import CofferCrypto
import Synchronization

/// Seals and opens cached answers off the reactor threads, which have a sealer
/// each.
final class SharedSealer: @unchecked Sendable {
    // `sealer` is used under `lock` only, hence Sendable.
    private let sealer: CacheSealer
    private let lock = Mutex(())

    init(_ sealer: sending CacheSealer) { self.sealer = sealer }

    func seal(_ message: Secret) -> (sealed: [UInt8], nonce: UInt64) {
        var nonce: UInt64 = 0
        let size = message.count + CacheSealer.overheadBytes
        let sealed = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            let out = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: size)
            nonce = lock.withLock { _ in
                defer { sealer.rest() }
                return message.withUnsafeBytes { sealer.seal($0, into: out) }
            }
            count = size
        }
        return (sealed, nonce)
    }

    /// Nil if it does not open.
    func open(_ value: CachedValue) -> Secret? {
        guard value.sealedBytes >= CacheSealer.overheadBytes else { return nil }
        var opened = false
        let message = Secret(count: value.sealedBytes - CacheSealer.overheadBytes) { region in
            opened = lock.withLock { _ in
                defer { sealer.rest() }
                return value.withSealed { sealer.open($0, nonce: value.nonce, into: region) }
            }
        }
        return opened ? message : nil
    }
}
