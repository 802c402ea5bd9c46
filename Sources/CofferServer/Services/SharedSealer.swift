import CofferCache
import CofferCore
import CofferCrypto
import Synchronization

/// Seals and opens cached answers for tasks, of all reactors. For hits a reactor has
/// a sealer of its own.
///
/// Like that one, it keeps its expanded key until ``rest()``.
final class SharedSealer: @unchecked Sendable {
    // `sealer` is used under `lock` only, hence Sendable.
    private let sealer: CacheSealer
    private let lock = Mutex(())

    init(_ sealer: sending CacheSealer) { self.sealer = sealer }

    func seal(_ message: Secret) -> (sealed: [UInt8], nonce: UInt64) {
        var nonce: UInt64 = 0
        let size = message.count + CacheSealer.overheadBytes
        let sealed = [UInt8](count: size) { out in
            nonce = lock.withLock { _ in message.withUnsafeBytes { sealer.seal($0, into: out) } }
        }
        return (sealed, nonce)
    }

    /// Forgets the expanded key; whoever is next sets it up again.
    func rest() { lock.withLock { _ in sealer.rest() } }

    /// Nil if it does not open.
    func open(_ value: CachedValue) -> Secret? {
        guard value.sealedBytes >= CacheSealer.overheadBytes else { return nil }
        var opened = false
        let message = Secret(count: value.sealedBytes - CacheSealer.overheadBytes) { region in
            opened = lock.withLock { _ in
                value.withSealed { sealer.open($0, nonce: value.nonce, into: region) }
            }
        }
        return opened ? message : nil
    }
}
