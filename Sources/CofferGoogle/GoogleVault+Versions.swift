internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// Old versions of a secret, which a Store destroys.
extension GoogleVault {
    /// How long a Store may take over old versions, once its record is stored.
    static var longestDestruction: Duration { .seconds(1) }
    /// Versions that one Store destroys at most. What is left is for the next one.
    private static var destroyedAtOnce: Int { 8 }
    private static var versionPageSize: Int { 1_000 }
    /// Destroyed versions are listed for as long as their secret exists.
    private static var maximumVersionPages: Int { 10 }

    /// Destroys what is older than the newest `versionsKept` versions: those that Stores left before, and those that
    /// others added. Only what is known to be older than the version just written, and by its etag: the secret may have
    /// been deleted and created again since, and its numbers begin at 1 again then.
    ///
    /// - Throws: PERMISSION_DENIED if the role does not allow it. Any other failure leaves versions for the next Store.
    func destroyVersions(behind written: GoogleVersion, of secret: String, _ deadline: BootInstant) async throws(Failure) {
        guard options.versionsKept > 0, let time = written.created else { return }
        memory.noteVersion(written, of: secret)
        guard written.number > UInt64(options.versionsKept) else { return }
        let end = min(deadline, clock.boot + Self.longestDestruction)
        do throws(GoogleFault) {
            guard let versions = try await knownVersions(of: secret, with: written, end) else { return }
            let old = versions.dropLast(options.versionsKept).filter { version in
                version.number < written.number && version.created.map { $0 <= time } == true
            }
            for version in old.prefix(Self.destroyedAtOnce) { try await destroy(version, of: secret, end) }
        } catch {
            guard case .refused(let refusal) = error, refusal.kind == .denied else { return }
            throw Failure(
                .permissionDenied, .vaultRefused,
                "Google Secret Manager: the record is stored, but its old versions may not be destroyed; grant "
                    + "secretmanager.versions.destroy and secretmanager.versions.list, or set versions_kept: 0",
                vault: name, mayHaveWritten: true)
        }
    }

    private func destroy(_ version: GoogleVersion, of secret: String, _ end: BootInstant) async throws(GoogleFault) {
        guard let etag = version.etag else { return }
        do throws(GoogleFault) {
            _ = try await client.call(
                .post, "\(path(of: secret))/versions/\(version.number):destroy", .object([("etag", .string(etag))]),
                writing: true, deadline: end)
            memory.forgetVersion(version.number, of: secret)
        } catch {
            // Its etag or state is another one: somebody else changed it, or the whole secret.
            guard case .refused(let refusal) = error, refusal.kind == .precondition || refusal.kind == .notFound else {
                throw error
            }
            memory.forgetVersions(of: secret)
        }
    }

    /// Versions that are not destroyed, the oldest first: as remembered, or listed.
    ///
    /// - Returns: nil if `written` is not among them: this is another secret by now.
    private func knownVersions(
        of secret: String, with written: GoogleVersion, _ end: BootInstant
    ) async throws(GoogleFault) -> [GoogleVersion]? {
        if let known = memory.versions(of: secret) { return known }
        var (listed, token): ([GoogleVersion], String?) = ([], nil)
        for _ in 0..<Self.maximumVersionPages {
            var path = "\(path(of: secret))/versions?pageSize=\(Self.versionPageSize)"
            if let token { path += "&pageToken=\(PercentEncoding.text(token))" }
            let answer = try await client.call(.get, path, deadline: end)
            listed += (answer["versions"]?.elements ?? []).compactMap(GoogleVersion.init)
            token = answer["nextPageToken"]?.text?.unlessEmpty
            if token == nil { break }
        }
        guard listed.contains(written) else { return nil }
        let live = listed.filter { $0.state != .destroyed }.sorted { $0.number < $1.number }
        memory.keepVersions(live, of: secret)
        return live
    }
}
