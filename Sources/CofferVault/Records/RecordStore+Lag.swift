package import CofferCore

/// Reads of a vault that lags: what is older than a write that was acknowledged is asked for
/// again, and never given.
extension RecordStore {
    private static let firstPause = Duration.milliseconds(50)
    private static let longestPause = Duration.milliseconds(800)

    /// - Throws: UNAVAILABLE if the vault does not catch up in time.
    func read(
        _ name: VaultKey, behind writes: AcknowledgedWrites, deadline: BootInstant
    ) async throws(Failure) -> Record? {
        var pause = Self.firstPause
        while true {
            let record = try await readOnce(name, deadline: deadline)
            switch verdict(on: record, name, writes) {
            case .current: return record
            case .removed: return nil
            case .behind:
                guard await rest(pause, until: deadline) else { throw lagging }
                pause = min(pause * 2, Self.longestPause)
            }
        }
    }

    /// As `read`, for many: only those that are behind are asked for again.
    func readMany(
        _ names: [VaultKey], behind writes: AcknowledgedWrites, deadline: BootInstant
    ) async -> [Result<Record?, Failure>] {
        var outcomes = await readOnce(names, deadline: deadline)
        var open = Array(names.indices)
        var pause = Self.firstPause
        while true {
            open = open.filter { index in
                guard case .success(let record) = outcomes[index] else { return false }
                switch verdict(on: record, names[index], writes) {
                case .current: return false
                case .removed:
                    outcomes[index] = .success(nil)
                    return false
                case .behind: return true
                }
            }
            if open.isEmpty { return outcomes }
            guard await rest(pause, until: deadline) else {
                for index in open { outcomes[index] = .failure(lagging) }
                return outcomes
            }
            pause = min(pause * 2, Self.longestPause)
            let again = await readOnce(open.map { names[$0] }, deadline: deadline)
            for (index, outcome) in zip(open, again) { outcomes[index] = outcome }
        }
    }

    /// How long the vault may not show what was written before the start, of which nobody here knows; nil = it does not lag.
    package var lag: Duration? { acknowledged?.lag }

    /// Writes of the record are known, so that nothing older is cached.
    package func knowsWrites(of key: RecordKey) -> Bool {
        guard let acknowledged, acknowledged.count > 0 else { return false }
        return acknowledged.knows(name(of: key).tag, now: clock.boot)
    }

    package func sleep(until time: BootInstant) async throws { try await sleeper.sleep(until: time) }

    /// It was removed, and the vault lists it still.
    func isRemoved(_ record: Record) -> Bool {
        acknowledged.map { verdict(on: record, name(of: record.key), $0) == .removed } ?? false
    }

    private func verdict(
        on record: Record?, _ name: VaultKey, _ writes: AcknowledgedWrites
    ) -> AcknowledgedWrites.Verdict {
        let order = record.map { AcknowledgedWrites.Order(version: $0.version, writtenAt: $0.body.updatedAt) }
        return writes.verdict(on: order, of: name.tag, now: clock.boot, wall: clock.wall)
    }

    /// False if the time would be over then, or the task was cancelled.
    private func rest(_ pause: Duration, until deadline: BootInstant) async -> Bool {
        let end = clock.boot + pause * (0.5 + random.unit() / 2)
        guard end < deadline else { return false }
        do {
            try await sleeper.sleep(until: end)
            return true
        } catch {
            return false
        }
    }

    private var lagging: Failure {
        Failure(
            .unavailable, .vaultFailed,
            "the vault still shows an older state of the record than the write it has acknowledged; try again in a moment",
            vault: vaultName, retryable: true, retryAfterMilliseconds: 1_000)
    }
}
