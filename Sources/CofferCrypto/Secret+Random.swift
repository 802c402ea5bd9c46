internal import CLinux
internal import CofferCore

extension Secret {
    /// Bytes from the kernel, written straight into memory that is wiped. Keys
    /// come from here; ``RandomSource`` is for what need not be secret.
    static func random(count: Int) -> Secret {
        Secret(count: count) { region in
            guard coffer_random(region.baseAddress!, region.count) == 0 else {
                fatalError("getrandom failed: no randomness, no secrets")
            }
        }
    }
}
