import CofferCore
import CofferHTTP
import CofferVaultConformance
import Testing

@testable import CofferAWS

@Suite struct AWSEndpointTests {
    private func endpoints(
        _ options: AWSOptions = AWSOptions(), _ variables: [String: String] = [:], config: String = ""
    ) throws(Failure) -> AWSEndpoints {
        let clock = ManualClock()
        let dependencies = AWSDependencies(
            ["HOME": "/h"].merging(variables) { $1 }, files: ["/h/.aws/config": config], clock: clock
        ) { _ in FakeSecretsManager(clock: clock) }
        let profiles = try AWSProfiles(name: options.profile, dependencies: dependencies, vault: "cloud")
        return try AWSEndpoints(options, profile: profiles.current, dependencies: dependencies, vault: "cloud")
    }

    @Test(arguments: [
        ("us-east-1", "amazonaws.com"), ("us-gov-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn"),
        ("eusc-de-east-1", "amazonaws.eu"), ("us-iso-east-1", "c2s.ic.gov"), ("us-isob-east-1", "sc2s.sgov.gov"),
        ("eu-isoe-west-1", "cloud.adc-e.uk"), ("us-isof-south-1", "csp.hci.ic.gov"),
    ])
    func hosts(_ region: String, _ suffix: String) throws {
        let found = try endpoints(AWSOptions(region: region))
        #expect(
            found.secretsManager == HTTPOrigin(isSecure: true, host: "secretsmanager.\(region).\(suffix)", port: 443))
        #expect(found.tokens.host == "sts.\(region).\(suffix)")
        #expect(
            try endpoints(AWSOptions(region: region, fips: true)).secretsManager.host
                == "secretsmanager-fips.\(region).\(suffix)")
    }

    @Test func theRegionComesFromTheFirstThatHasOne() throws {
        let all = ["AWS_REGION": "a-1", "AWS_DEFAULT_REGION": "b-1"]
        #expect(try endpoints(AWSOptions(region: "o-1"), all).region == "o-1")
        #expect(try endpoints(AWSOptions(), all).region == "a-1")
        #expect(
            try endpoints(AWSOptions(), ["AWS_DEFAULT_REGION": "b-1"], config: "[default]\nregion=c-1").region == "b-1")
        #expect(try endpoints(config: "[default]\nregion=c-1").region == "c-1")
        let failure = #expect(throws: Failure.self) { try endpoints() }
        #expect(
            failure?.message
                == "no AWS region is given; set the vault's region, AWS_REGION, AWS_DEFAULT_REGION or the profile's region"
        )
        for region in ["", "a.b", "evil.com/", "a b", String(repeating: "a", count: 64)] {
            #expect(throws: Failure.self) { try endpoints(AWSOptions(region: region)) }
        }
    }

    @Test func otherServersComeFromTheFirstThatNamesOne() throws {
        let region = AWSOptions(region: "us-east-1")
        let all = [
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "https://sm.example",
            "AWS_ENDPOINT_URL_STS": "https://[::1]:8443/",
        ]
        let found = try endpoints(region, all)
        #expect(found.secretsManager == HTTPOrigin(isSecure: true, host: "sm.example", port: 443))
        #expect(found.tokens == HTTPOrigin(isSecure: true, host: "::1", port: 8443))
        #expect(found.tokens.authority == "[::1]:8443" && found.secretsManager.authority == "sm.example")
        let both = try endpoints(
            region, ["AWS_ENDPOINT_URL": "http://127.0.0.1:1"], config: "[default]\nendpoint_url=http://c")
        #expect(both.secretsManager.port == 1 && both.tokens.authority == "127.0.0.1:1")
        #expect(try endpoints(region, config: "[default]\nendpoint_url=http://c").secretsManager.host == "c")
        let ignored = try endpoints(region, all.merging(["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"]) { $1 })
        #expect(ignored.secretsManager.host == "secretsmanager.us-east-1.amazonaws.com")
        #expect(try endpoints(AWSOptions(region: "r-1", endpoint: "https://mine:9"), all).secretsManager.host == "mine")
        for text in [
            "mine", "https://", "https://a/b", "https://a?b", "https://u:p@a", "ftp://a", "https://a:70000",
            "https://[a", "https://a b",
        ] {
            #expect(throws: Failure.self) { try endpoints(AWSOptions(region: "us-east-1", endpoint: text)) }
        }
    }

    @Test func switches() throws {
        let region = AWSOptions(region: "us-east-1")
        #expect(
            try endpoints(region, ["AWS_USE_FIPS_ENDPOINT": "true"]).secretsManager.host
                == "secretsmanager-fips.us-east-1.amazonaws.com")
        #expect(
            try endpoints(region, ["AWS_USE_DUALSTACK_ENDPOINT": "true"]).secretsManager.host
                == "secretsmanager.us-east-1.amazonaws.com")
        #expect(throws: Failure.self) { try endpoints(AWSOptions(region: "us-iso-east-1", dualStack: true)) }
        #expect(throws: Failure.self) {
            try endpoints(AWSOptions(region: "us-east-1", endpoint: "https://a", fips: true))
        }
    }

    @Test func optionsAreChecked() throws {
        for days in [6, 31] {
            let failure = #expect(throws: Failure.self) {
                try AWSFixture(options: AWSOptions(deletion: .recoverable(days: days))).vault()
            }
            #expect(failure?.message == "recovery window: expected 7 to 30 days, got \(days)")
        }
        #expect(throws: Failure.self) { try AWSFixture(options: AWSOptions(keyID: "")).vault() }
    }

    /// Replicas of the secrets in another region open; those under another prefix do not.
    @Test func theIdentityIsThatOfThePrefix() throws {
        let identities = try [AWSOptions(), AWSOptions(region: "eu-west-1"), AWSOptions(prefix: "other")].map {
            try AWSFixture(options: $0).vault().identity
        }
        #expect(identities[0] == identities[1] && identities[0] != identities[2] && identities[0].count == 16)
    }
}
