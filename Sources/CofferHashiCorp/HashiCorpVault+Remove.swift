package import CofferCore
internal import CofferHTTP
package import CofferVault
internal import CofferVaultKit

extension HashiCorpVault {
    /// How many versions a conditional removal destroys at most; KV keeps ten of a
    /// key unless its operator says otherwise.
    private static let destroyedVersions: Int64 = 128
    private static let maximumAttempts = 8

    /// Removes the key with all versions and metadata, or, with `softDelete`, its
    /// newest version.
    ///
    /// KV has no removal with a condition. With `ifVersion` a version that says
    /// "removed" is written by check-and-set, which exactly one caller wins, and
    /// then every version up to it is destroyed: a record that somebody writes
    /// meanwhile stays. What is left is a key without data, which the next removal
    /// without a condition takes away. With `softDelete` the version compared is the
    /// one deleted, and a write in between stays as well.
    ///
    /// What a program left under the literal name goes too, or it would be read next.
    package func remove(
        _ key: VaultKey, ifVersion: String?, deadline: BootInstant
    ) async throws(Failure) -> Bool {
        try begin(deadline)
        defer { gate.leave() }
        guard let ifVersion else {
            var wasLive = false
            for path in names.all(key.key) {
                do throws(Failure) {
                    if try await remove(path, deadline: deadline) { wasLive = true }
                } catch {
                    throw wasLive ? error.afterChange : error
                }
            }
            return wasLive
        }
        let path = try await removeVersion(ifVersion, key.key, deadline: deadline)
        for other in names.all(key.key) where path != nil && other != path {
            do throws(Failure) {
                _ = try await remove(other, deadline: deadline)
            } catch {
                throw error.afterChange
            }
        }
        return path != nil
    }

    /// - Returns: the name under which it was; nil if there was none.
    private func removeVersion(
        _ ifVersion: String, _ key: RecordKey, deadline: BootInstant
    ) async throws(Failure) -> String? {
        for _ in 0..<Self.maximumAttempts {
            let (record, path) = try await current(key, deadline: deadline)
            guard let live = record.live(at: clock.wall) else { return nil }
            guard (try? live.get())?.version.hasSameBytes(as: ifVersion) == true else { throw .versionMismatch }
            if options.softDelete {
                try await change(.delete, path, [record.version], deadline: deadline)
                return path
            }
            let removal = try await post(
                HashiCorpValue.removal, to: path, over: record.version, deadline: deadline)
            guard let removal else { continue }
            let versions = Array(max(1, removal - Self.destroyedVersions + 1)...removal)
            do throws(Failure) {
                try await change(.destroy, path, versions, deadline: deadline)
            } catch {
                throw error.afterChange
            }
            return path
        }
        throw .versionMismatch
    }

    func remove(_ path: String, deadline: BootInstant) async throws(Failure) -> Bool {
        let record = try await record(path, deadline: deadline)
        let live = record.live(at: clock.wall)
        guard record.version > 0, live != nil || !options.softDelete else { return false }
        let face: HashiCorpNames.Face = options.softDelete ? .data : .metadata
        let call = HashiCorpCall(.delete, names.path(face, path), for: .write)
        do throws(Failure) {
            try await client.require(call, deadline: deadline)
        } catch {
            // What is left of a record that is gone may stay.
            if live == nil && error.code == .permissionDenied { return false }
            throw error
        }
        recent.forget(path)
        return live != nil
    }

    private func change(
        _ face: HashiCorpNames.Face, _ path: String, _ versions: [Int64], deadline: BootInstant
    ) async throws(Failure) {
        let body = JSON.object([("versions", .array(versions.map { .integer($0) }))])
        try await client.require(HashiCorpCall(.post, names.path(face, path), body, for: .write), deadline: deadline)
    }
}
