package import CofferCore
package import CofferVault
internal import CofferVaultKit

extension AWSVault {
    package func write(
        _ key: VaultKey, _ item: VaultItem, condition: WriteCondition, deadline: BootInstant
    ) async throws(Failure) -> VaultReceipt {
        guard condition == .none else { throw noConditions() }
        let secrets = names.all(key.key)
        let secret = secrets[0]
        // Before anything is asked: whether it fits does not depend on what is there.
        var value = try AWSDocument.value(of: item, created: item.updatedAt, vault: name)
        return try await during(deadline) { () throws(Failure) in
            var (created, first) = (item.updatedAt, Step.put)
            // Text has no room for the time of its creation.
            if case .sealed = item.payload {
                let (before, place) = try await self.current(of: secrets, deadline)
                if case .item(let old) = before, old.isLive(at: self.clock.wall) {
                    // An attempt before this one whose answer was lost.
                    if old.version == item.version, place == secret {
                        return VaultReceipt(version: old.version, createdAt: old.createdAt)
                    }
                    created = old.createdAt
                    value = try AWSDocument.value(of: item, created: created, vault: self.name)
                }
                if case .absent = before { first = .create }
                // Another program's name is left to it.
                if place != secret { first = .create }
                if case .scheduled = before { first = .restore }
            }
            try await Write(vault: self, key: key.key, secret: secret, item: item, value: value, deadline: deadline)
                .run(from: first)
            if self.names.prefersLiteral {
                for other in secrets.dropFirst() {
                    do throws(Failure) {
                        _ = try await self.delete(other, deadline)
                    } catch {
                        throw error.afterChange
                    }
                }
            }
            guard case .text = item.payload, let written = AWSToken.time(ofVersion: item.version) else {
                return VaultReceipt(version: item.version, createdAt: created)
            }
            return VaultReceipt(version: item.version, createdAt: written, updatedAt: written)
        }
    }

    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        guard ifVersion == nil else { throw noConditions() }
        let secrets = names.all(key.key)
        return try await during(deadline) { () throws(Failure) in
            var existed = false
            for secret in secrets {
                do throws(Failure) {
                    if try await self.delete(secret, deadline) { existed = true }
                } catch {
                    throw existed ? error.afterChange : error
                }
            }
            return existed
        }
    }

    /// - Returns: whether a live record was under this name.
    private func delete(_ secret: String, _ deadline: BootInstant) async throws(Failure) -> Bool {
        let existed = try await exists(secret, deadline)
        // In any case: reads may lag behind a write, and what has expired goes too.
        var body: [(name: String, value: JSON)] = [("SecretId", .string(secret))]
        switch options.deletion {
        case .forced: body.append(("ForceDeleteWithoutRecovery", .bool(true)))
        case .recoverable(let days): body.append(("RecoveryWindowInDays", .integer(days)))
        }
        do throws(AWSFault) {
            _ = try await client.call("DeleteSecret", .object(body), writing: true, deadline: deadline)
        } catch {
            guard case .refused(let refusal) = error, refusal.kind == .notFound || refusal.kind == .scheduled else {
                throw failure(error, writing: true)
            }
        }
        return existed
    }

    /// Whether a live record is there. Only its text shows whether it is alive;
    /// where the text may not be had, its description has to do.
    private func exists(_ secret: String, _ deadline: BootInstant) async throws(Failure) -> Bool {
        do throws(Failure) {
            switch try await current(named: secret, deadline) {
            case .absent, .scheduled: return false
            case .unreadable: return true
            case .item(let item): return item.isLive(at: clock.wall)
            }
        } catch {
            guard error.code == .permissionDenied || error.code == .failedPrecondition else { throw error }
        }
        do throws(AWSFault) {
            let answer = try await client.call(
                "DescribeSecret", .object([("SecretId", .string(secret))]), deadline: deadline)
            return answer["DeletedDate"].map(\.isNull) ?? true
        } catch {
            if case .refused(let refusal) = error, refusal.kind == .notFound { return false }
            throw failure(error)
        }
    }

    private func noConditions() -> Failure {
        Failure(
            .failedPrecondition, .notSupported,
            "a vault of kind \(kind) cannot do conditional writes or deletes; leave out if_version and if_absent",
            vault: name)
    }
}

/// What to do next about a secret that is to have a value.
private enum Step {
    case put
    case create
    case restore
}

/// One write: put, or create what is missing, or restore what is being deleted.
private struct Write {
    /// Between two attempts at a name that is still taken, doubled each time.
    static let firstPause = 200
    static let longestPause = 3_200

    let vault: AWSVault
    let key: RecordKey
    let secret: String
    let item: VaultItem
    let value: AWSValue
    let deadline: BootInstant

    /// - Throws: what the last step failed with, when another one would not help
    ///   or would come too late.
    func run(from first: Step) async throws(Failure) {
        var step = first
        var wait = Self.firstPause
        var turns = 0
        var isRestored = false
        while true {
            do throws(AWSFault) {
                try await take(step)
                if step != .restore { return }
                (step, isRestored) = (.put, true)
            } catch {
                guard case .refused(let refusal) = error, let next = after(step, refusal.kind) else {
                    let failure = vault.failure(error, writing: true)
                    throw isRestored ? failure.afterChange : failure
                }
                // Each way is gone once at full speed: put, create, restore, and put again after a race.
                turns += 1
                if turns > 2 {
                    guard try await rest(wait) else {
                        // A name that can be neither written nor made is still being deleted.
                        let kind: AWSRefusal.Kind = refusal.kind == .exists ? .exists : .scheduled
                        throw .aws(AWSRefusal(kind: kind, status: refusal.status), vault: vault.name, writing: true)
                    }
                    wait = min(2 * wait, Self.longestPause)
                }
                step = next
            }
        }
    }

    /// Nil if there is nothing more to try.
    private func after(_ step: Step, _ kind: AWSRefusal.Kind) -> Step? {
        switch (step, kind) {
        case (.put, .notFound): .create
        case (.create, .exists): .put
        case (.put, .scheduled), (.create, .scheduled): .restore
        // Deleted without recovery: the name is free in a while.
        case (.restore, .notFound), (.restore, .scheduled): .create
        default: nil
        }
    }

    /// False if the time would be over then.
    private func rest(_ milliseconds: Int) async throws(Failure) -> Bool {
        let share = Int(vault.random.bytes(1)[0])
        let duration = Duration.milliseconds(milliseconds / 2 + milliseconds * share / 512)
        guard vault.clock.boot + duration < deadline else { return false }
        await vault.pause(duration)
        guard !Task.isCancelled else {
            throw Failure(.cancelled, .cancelled, "the call was cancelled", vault: vault.name)
        }
        return true
    }

    private func take(_ step: Step) async throws(AWSFault) {
        let value: [(name: String, value: JSON)] = [
            ("ClientRequestToken", .string(AWSToken.token(of: item, secret: secret))), self.value.member,
        ]
        switch step {
        case .put:
            try await call("PutSecretValue", [("SecretId", .string(secret))] + value)
        case .create:
            var body = [("Name", .string(secret))] + value + [("Description", .string(description)), ("Tags", tags)]
            if let keyID = vault.options.keyID { body.append(("KmsKeyId", .string(keyID))) }
            try await call("CreateSecret", body)
        case .restore:
            try await call("RestoreSecret", [("SecretId", .string(secret))])
        }
    }

    private func call(_ operation: String, _ body: [(name: String, value: JSON)]) async throws(AWSFault) {
        _ = try await vault.client.call(operation, .object(body), writing: true, deadline: deadline)
    }

    private var description: String {
        "AI2 Connector credentials for user \(key.user), connection \(key.connection)"
    }

    private var tags: JSON {
        let all = [("Service", vault.options.prefix), ("UserId", key.user), ("ConnectionId", key.connection)]
        return .array(
            all.filter { Self.canBeTag($0.1) }.map { .object([("Key", .string($0.0)), ("Value", .string($0.1))]) })
    }

    /// What the service takes as a tag's value, as far as ASCII goes.
    private static func canBeTag(_ text: String) -> Bool {
        text.utf8.count <= 256 && !text.lowercased().hasPrefix("aws:")
            && text.utf8.allSatisfy { $0.isASCIILetterOrDigit || " _.:/=+-@".utf8.contains($0) }
    }
}
