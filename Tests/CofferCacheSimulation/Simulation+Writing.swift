import CofferCache
import CofferCore

/// Stores, Deletes and Invalidates.
extension Simulation {
    static func stripe(_ key: Int) -> UInt64 { hash(key) >> 32 & 255 }

    mutating func beginWrite(_ key: Int) {
        guard writes.count < 4 else { return }
        let ticket = shard.beginWrite(hash: Self.hash(key), key: keys[key], uid: random.pick(Self.uids), now: now)
        fence(key)
        let isPresent = !random.oneIn(3)
        writes.append(
            Writing(
                ticket: ticket, key: key, startedAt: now, startStep: step, isPresent: isPresent,
                expiresAt: random.oneIn(3) ? wall + UInt64(random.below(60_000)) : 0))
    }

    /// Reads of the whole stripe are shared no more; what is cached of other keys stays.
    private mutating func fence(_ key: Int) {
        for mate in mates(key, Self.stripe) { model[mate].shared = nil }
        for mate in mates(key, Self.hash) { model[mate].mustServe = nil }
    }

    /// The vault takes a write: one under way, or one that was given up on.
    mutating func applyOne() {
        if !lost.isEmpty && random.oneIn(4) {
            _ = apply(lost.remove(at: random.below(lost.count)))
        } else if let index = writes.indices.randomElement(using: &random), writes[index].version == nil {
            writes[index].version = apply(writes[index])
        }
    }

    private mutating func apply(_ write: Writing) -> Int {
        vault.write(write.key, isPresent: write.isPresent, expiresAt: write.expiresAt, step: step)
    }

    /// A write ends: taken, refused, or nobody knows.
    mutating func endWrite(_ index: Int) {
        let write = writes.remove(at: index)
        defer { fence(write.key) }
        guard let version = write.version, !random.oneIn(4) else {
            let isRefused = write.version == nil && random.oneIn(2)
            if write.version == nil && !isRefused { lost.append(write) }
            let outcome: WriteOutcome = isRefused ? random.pick([.uncertain, .notWritten]) : .uncertain
            if case .uncertain = outcome {
                for mate in mates(write.key, Self.hash) { model[mate].doubtedStep = step }
            }
            shard.endWrite(write.ticket, outcome, now: now, wall: wall)
            return
        }
        model[write.key].floor = max(model[write.key].floor, version)
        let taken = vault.versions[version].appliedStep
        let value = write.isPresent
            ? value(write.key, version, since: write.startedAt, startStep: write.startStep, readStep: taken) : nil
        if !write.isPresent {
            model[write.key].absences.append(
                .init(startedAt: write.startedAt, startStep: write.startStep, readStep: taken))
        }
        shard.endWrite(write.ticket, .acknowledged(value), now: now, wall: wall)
    }

    mutating func invalidate() {
        switch random.below(4) {
        case 0:
            let user = random.below(3)
            let ofUser = model.indices.filter { $0 / 8 == user }
            _ = shard.invalidate(user: Array("u\(user)".utf8))
            drop(ofUser)
            fenceAll()
        case 1:
            _ = shard.invalidate(user: nil)
            drop(Array(model.indices))
            fenceAll()
        default:
            let key = random.below(6)
            _ = shard.invalidate(hash: Self.hash(key))
            drop(mates(key, Self.hash))
            fence(key)
        }
    }

    private mutating func fenceAll() { for key in model.indices { fence(key) } }

    private mutating func drop(_ keys: [Int]) {
        for key in keys { model[key].invalidatedStep = step }
    }

    /// What the cache gets to keep: a print's number, and some bytes for its size.
    mutating func value(
        _ key: Int, _ version: Int, since: BootInstant, startStep: Int, readStep: Int
    ) -> CachedValue {
        prints.append(
            Print(key: key, version: version, startedAt: since, startStep: startStep, readStep: readStep))
        var bytes = (0..<8).map { UInt8(truncatingIfNeeded: (prints.count - 1) >> (8 * $0)) }
        bytes += repeatElement(0, count: random.below(24))
        return CachedValue(
            sealed: bytes, nonce: UInt64(prints.count - 1), fetchedAt: since,
            expiresAt: vault.versions[version].expiresAt)
    }
}
