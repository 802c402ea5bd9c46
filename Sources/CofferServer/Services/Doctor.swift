import CofferCore
import CofferVault
import CofferWire

/// Sees whether one vault does its work: stores a test record, reads it,
/// compares it and deletes it. Never through the cache.
struct Doctor: Sendable {
    /// Whose the test record is. No route has to lead to the vault for it.
    static let user = "coffer-doctor"

    private let records: RecordStore
    private let advice: VaultAdvice
    private let checksWrites: Bool
    private let clock: any Clock
    private let random: any RandomSource

    /// - Parameter checksWrites: the vault's check writes, too.
    init(
        records: RecordStore, advice: VaultAdvice, checksWrites: Bool = false, clock: any Clock, random: any RandomSource
    ) {
        self.records = records
        self.advice = advice
        self.checksWrites = checksWrites
        self.clock = clock
        self.random = random
    }

    /// All four steps, in their order, with one advice for each cause of failure; of a vault that is
    /// write-only get and compare are skipped. The record is deleted wherever it may have been stored.
    ///
    /// - Parameter deadline: of the call. The steps end before it, so that there is
    ///   time to tell of them: store and get within three quarters, delete within
    ///   seven eighths.
    func examine(deadline: BootInstant) async -> [DoctorStep] {
        advise(on: await steps(deadline: deadline))
    }

    private func advise(on steps: [DoctorStep]) -> [DoctorStep] {
        let advice = DoctorAdvice(advice)
        var given: Set<String> = []
        return steps.map { step in
            guard case .failed(let failure) = step.outcome else { return step }
            let cause = advice.advice(for: failure)
            let parts = (given.insert(cause).inserted ? [cause] : [])
                + (step.action == .delete ? [DoctorAdvice.leftover] : [])
            return DoctorStep(
                step.action, step.outcome, durationMicroseconds: step.durationMicroseconds,
                advice: parts.joined(separator: " "))
        }
    }

    private func steps(deadline: BootInstant) async -> [DoctorStep] {
        let now = clock.boot
        let time = deadline.milliseconds(since: now)
        let early = now + .milliseconds(Int64(time * 3 / 4))
        let late = now + .milliseconds(Int64(time * 7 / 8))
        let number = Hex.text(random.bytes(16))
        let key: RecordKey
        do throws(Failure) {
            key = try RecordKey(user: Self.user, connection: "test-\(number)")
        } catch {
            return [step(.store, since: clock.boot, error)]
        }
        let credential = Self.credential(number)
        let (stored, version, mayExist) = await store(key, credential, deadline: early)
        var steps = [stored]
        if let version, records.isReadable {
            steps += await read(key, credential, version, deadline: early)
        } else {
            steps += [DoctorStep(.get, .skipped), DoctorStep(.compare, .skipped)]
        }
        steps.append(
            mayExist
                ? await delete(key, wasStored: version != nil, deadline: late)
                : DoctorStep(.delete, .skipped))
        return steps
    }

    // MARK: Steps

    private func store(
        _ key: RecordKey, _ credential: Secret, deadline: BootInstant
    ) async -> (step: DoctorStep, version: String?, mayExist: Bool) {
        let start = clock.boot
        do throws(Failure) {
            // Neither labels nor expiry: not every format has room for them.
            let record = try await records.write(
                key, credential: credential, labels: [:], ttlSeconds: 0, condition: .none,
                deadline: deadline)
            return (step(.store, since: start, await failureOfLargerStores(deadline)), record.version, true)
        } catch {
            // A refusal has stored nothing: to delete that would only fail again.
            return (step(.store, since: start, error), nil, error.mayHaveWritten)
        }
    }

    /// A disk that is full may have had room for the test record, which is small: the check of a vault whose disk is this
    /// host's finds whether it has room for the largest credential, and Health goes by it.
    ///
    /// - Returns: nil = they go through, as far as can be known here.
    private func failureOfLargerStores(_ deadline: BootInstant) async -> Failure? {
        guard checksWrites else { return nil }
        do throws(Failure) {
            try await records.check(deadline: deadline)
            return nil
        } catch {
            return error
        }
    }

    private func read(
        _ key: RecordKey, _ credential: Secret, _ version: String, deadline: BootInstant
    ) async -> [DoctorStep] {
        let start = clock.boot
        do throws(Failure) {
            guard let record = try await records.read(key, deadline: deadline) else {
                throw broken("the vault accepted the test record and does not return it")
            }
            let got = step(.get, since: start)
            let compared = clock.boot
            let isSame = record.body.credential.isEqual(to: credential) && record.version == version
            let failure = isSame ? nil : broken("the vault returned another record than was stored")
            return [got, step(.compare, since: compared, failure)]
        } catch {
            return [step(.get, since: start, error), DoctorStep(.compare, .skipped)]
        }
    }

    private func delete(
        _ key: RecordKey, wasStored: Bool, deadline: BootInstant
    ) async -> DoctorStep {
        let start = clock.boot
        do throws(Failure) {
            let existed = try await records.remove(key, ifVersion: nil, deadline: deadline)
            guard existed || !wasStored else {
                throw broken("the vault accepted the test record and had none to delete")
            }
            return step(.delete, since: start)
        } catch {
            return step(.delete, since: start, error)
        }
    }

    private func step(
        _ action: DoctorStep.Action, since start: BootInstant, _ failure: Failure? = nil
    ) -> DoctorStep {
        let end = clock.boot
        let took = end > start ? (end.nanoseconds - start.nanoseconds) / 1_000 : 0
        return DoctorStep(action, failure.map { .failed($0) } ?? .done, durationMicroseconds: took)
    }

    // MARK: The test record

    private func broken(_ what: String) -> Failure {
        Failure(.dataLoss, .vaultFailed, what, vault: records.vaultName)
    }

    /// JSON, with sorted names and no spaces, so that every format gives back the same.
    private static func credential(_ number: String) -> Secret {
        let text = #"{"coffer":"a test record of coffer doctor, no credential","number":"\#(number)"}"#
        return SecretWriter.build(count: text.utf8.count) { $0.append(text) }
    }
}
