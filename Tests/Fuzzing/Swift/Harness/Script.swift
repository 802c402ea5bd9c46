/// How an input wants to be played: its first bytes. What follows them is what
/// the client sends.
struct Script {
    static let byteCount = 4
    static let maximumPieces = 40

    struct Options: OptionSet {
        let rawValue: UInt8

        /// A frame of at most 4 KiB, two calls in flight, no reply bytes waiting:
        /// what is skipped, and what pauses, comes within a few bytes.
        static let smallLimits = Options(rawValue: 1 << 0)
        /// The vault answers when nothing else is left to do.
        static let lateVault = Options(rawValue: 1 << 1)
        /// Each allocation of protobuf-c is a heap block of its own, so that the
        /// sanitizer sees where it ends.
        static let blocks = Options(rawValue: 1 << 2)
        /// The policy grants the client nothing.
        static let stranger = Options(rawValue: 1 << 3)
        /// Some calls to the vault fail.
        static let failingVault = Options(rawValue: 1 << 4)
        /// The client reads when everything is sent.
        static let lateReader = Options(rawValue: 1 << 5)
        /// A millisecond goes by with every turn.
        static let clock = Options(rawValue: 1 << 6)
        /// Nothing is cached.
        static let noCache = Options(rawValue: 1 << 7)
    }

    let options: Options
    /// 0 = all bytes at once; else pieces of at most this many, until there were
    /// `maximumPieces`.
    let largestChunk: Int
    /// Decides the sizes of the pieces, the order in which tasks run, and which
    /// calls to the vault fail.
    let seed: UInt64

    /// Nil if the input is too short.
    init?(_ input: UnsafeRawBufferPointer) {
        guard input.count >= Self.byteCount else { return nil }
        options = Options(rawValue: input[0])
        largestChunk = Int(input[1])
        seed = UInt64(input[2]) << 8 | UInt64(input[3])
    }

    init(options: Options, largestChunk: UInt8, seed: UInt16) {
        self.options = options
        self.largestChunk = Int(largestChunk)
        self.seed = UInt64(seed)
    }

    var encoded: [UInt8] {
        [options.rawValue, UInt8(largestChunk), UInt8(seed >> 8 & 0xFF), UInt8(seed & 0xFF)]
    }
}
