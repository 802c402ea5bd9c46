import CLinux

/// Random bytes, passed in: tests pass their own.
package protocol RandomSource: Sendable {
    /// `count` bytes nobody can predict.
    func bytes(_ count: Int) -> [UInt8]
}

/// getrandom(2). It never fails on a kernel that has booted; if it does, the
/// process must not go on.
package struct SystemRandom: RandomSource {
    package init() {}

    package func bytes(_ count: Int) -> [UInt8] {
        [UInt8](count: count) { buffer in
            guard count == 0 || coffer_random(buffer.baseAddress!, count) == 0 else {
                fatalError("getrandom failed: no randomness, no secrets")
            }
        }
    }
}
