internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit
internal import Synchronization

/// Which version the KV engine at the mount has: found out before anything is
/// written, as one of version 1 keeps what it is given in the clear and under
/// another name.
final class HashiCorpMount: Sendable {
    /// How long a version that will not do is believed: it may be upgraded.
    private static let refusal = Duration.seconds(1)
    /// How long a vault that does not say it is not asked again.
    private static let silence = Duration.seconds(300)

    private enum Kind: Sendable {
        case second
        case other(until: BootInstant)
        /// The vault does not tell: what it answers must tell.
        case untold(until: BootInstant)
    }

    private let path: String
    private let client: HashiCorpClient
    private let kind = Mutex<Kind?>(nil)
    private let questions: SharedWork<Kind>

    init(path: String, client: HashiCorpClient) {
        self.path = path
        self.client = client
        questions = SharedWork(clock: client.wire.dependencies.clock, sleep: client.wire.dependencies.sleep)
    }

    /// Returns if the engine has version 2, or the vault does not say which one it has.
    ///
    /// - Parameter isProven: an answer has just shown that it is version 2.
    /// - Throws: FAILED_PRECONDITION for another one; what went wrong with the question.
    @inline(__always)
    nonisolated(nonsending) func require(isProven: Bool, deadline: BootInstant) async throws(Failure) {
        if isProven { return kind.withLock { $0 = .second } }
        if case .second = kind.withLock({ $0 }) { return }
        try await ask(deadline)
    }

    private func ask(_ deadline: BootInstant) async throws(Failure) {
        let now = client.wire.dependencies.clock.boot
        switch kind.withLock({ $0 }) {
        case .second?: return
        case .untold(let until)? where now < until: return
        case .other(let until)? where now < until: throw unsuitable
        default: break
        }
        let outcome = await questions.outcome(by: deadline) {
            let found = await self.question()
            // Before anybody hears of it, so that nobody asks once more.
            if let found = try? found.get() { self.kind.withLock { $0 = found } }
            return found
        }
        guard let outcome else {
            throw Task.isCancelled ? .hashiCorpCancelled(client.vault) : .notBegun(vault: client.vault)
        }
        if case .other = try outcome.get() { throw unsuitable }
    }

    private func question() async -> Result<Kind, Failure> {
        let dependencies = client.wire.dependencies
        let call = HashiCorpCall(.get, "sys/internal/ui/mounts/" + PercentEncoding.path(path), for: .read)
        do throws(Failure) {
            let answer = try await client.call(call, deadline: dependencies.clock.boot + .seconds(4))
            let now = dependencies.clock.boot
            guard answer.isSuccess || (400..<429).contains(answer.status) else {
                return .failure(client.failure(answer, .read))
            }
            guard let data = answer.data, let type = data["type"]?.text else {
                // A token may not see it; what the engine answers must tell then.
                return .success(.untold(until: now + Self.silence))
            }
            let version = data["options"]?["version"]?.text
            let isSecond = (type == "kv" || type == "generic") && version == "2"
            return .success(isSecond ? .second : .other(until: now + Self.refusal))
        } catch {
            return .failure(error)
        }
    }

    private var unsuitable: Failure {
        .hashiCorpSetUp(
            "the mount is no KV engine of version 2; nothing was written to it: enable version 2 there, "
                + "or name another mount", client.vault)
    }
}
