import CofferAWS
import CofferCore
import CofferVault
import Foundation
import Testing

/// Credentials from where the platforms lay them out.
@Suite struct AWSLiveCredentialTests {
    private func base() throws -> [String: String] {
        ["AWS_REGION": try AWSLive.variable("REGION"), "AWS_ENDPOINT_URL": try AWSLive.variable("ENDPOINT")]
    }

    private func roundTrip(_ vault: AWSVault) async throws {
        let key = try AWSLive.key("u", "c")
        _ = try await vault.write(key, AWSLive.item("v1"), condition: .none, deadline: AWSLive.deadline)
        #expect(try await vault.read(key, deadline: AWSLive.deadline)?.version == "v1")
        #expect(try await vault.remove(key, ifVersion: nil, deadline: AWSLive.deadline))
    }

    /// The credentials of the role are checked by what they sign.
    @Test func webIdentity() async throws {
        let counter = Counter()
        let vault = try AWSLive.vault(
            try base().merging([
                "AWS_WEB_IDENTITY_TOKEN_FILE": try AWSLive.variable("TOKEN_FILE"),
                "AWS_ROLE_ARN": try AWSLive.variable("ROLE"),
            ]) { $1 }, counter: counter)
        try await roundTrip(vault)
        #expect(counter.operations.count { $0 == "/" } == 1, "one call of the token service for all")
    }

    @Test func webIdentityThatIsRefused() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try Data("garbage".utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let vault = try AWSLive.vault(
            try base().merging([
                "AWS_WEB_IDENTITY_TOKEN_FILE": file.path(), "AWS_ROLE_ARN": try AWSLive.variable("ROLE"),
            ]) { $1 })
        let failure = await AWSLive.failure { () throws(Failure) in try await vault.check(deadline: AWSLive.deadline) }
        #expect(
            failure?.code == .unauthenticated
                && failure?.message.contains("check the role's ARN, its trust policy") == true)
    }

    @Test func assumedRoleOfAProfile() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        let text = """
            [profile live]
            role_arn = \(try AWSLive.variable("ROLE"))
            source_profile = base
            [profile base]
            aws_access_key_id = \(try AWSLive.variable("APP_KEY"))
            aws_secret_access_key = \(try AWSLive.variable("APP_SECRET"))
            """
        try Data(text.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try await roundTrip(
            try AWSLive.vault(try base().merging(["AWS_CONFIG_FILE": file.path(), "AWS_PROFILE": "live"]) { $1 }))
    }

    /// MiniStack's services do not take what its metadata gives, so how far it
    /// comes is what shows: a request that is signed and refused.
    @Test(arguments: ["instance", "container"])
    func localCredentials(_ source: String) async throws {
        let endpoint = try AWSLive.variable("ENDPOINT")
        let counter = Counter()
        let local =
            source == "instance"
            ? ["AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint, "AWS_METADATA_SERVICE_TIMEOUT": "20"]
            : ["AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint + "/v2/credentials/live"]
        let vault = try AWSLive.vault(try base().merging(local) { $1 }, counter: counter)
        let failure = await AWSLive.failure { () throws(Failure) in try await vault.check(deadline: AWSLive.deadline) }
        let folder = "/latest/meta-data/iam/security-credentials/"
        #expect(
            counter.operations
                == (source == "instance"
                    ? ["/latest/api/token", folder, folder + "ministack-instance-role", "GetSecretValue"]
                    : ["/v2/credentials/live", "GetSecretValue"]))
        #expect(failure?.code == .unauthenticated, "\(failure?.message ?? "it went through")")
        // moto looks at no signature: with it the whole way is gone.
        let moto = try AWSLive.vault(
            try base().merging(local) { $1 }.merging([
                "AWS_ENDPOINT_URL_SECRETS_MANAGER": try AWSLive.variable("MOTO")
            ]) { $1 })
        try await roundTrip(moto)
    }
}
