import CofferCore
import CofferHTTP
import Testing

@testable import CofferAWS

@Suite struct AWSSignatureTests {
    private func sign(token: String?) -> [String: String] {
        let body = AWSText.secret(#"{"SecretId":"ai2-connectors/user123/conn456"}"#)
        let headers = AWSSignature(region: "us-east-1", service: "secretsmanager").headers(
            signing: [
                ("Content-Type", "application/x-amz-json-1.1"), ("Host", "secretsmanager.us-east-1.amazonaws.com"),
                ("X-Amz-Target", "secretsmanager.GetSecretValue"),
            ],
            body: body,
            credentials: AWSCredentials(
                accessKeyID: "AKIDEXAMPLE", secretAccessKey: AWSText.secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                sessionToken: token.map(AWSText.secret)),
            at: 1_767_323_045_000)
        return Dictionary(uniqueKeysWithValues: headers.map { ($0.name, AWSText.text($0.value) ?? "") })
    }

    @Test func isTheWorkedExample() {
        #expect(
            sign(token: nil) == [
                "X-Amz-Date": "20260102T030405Z",
                "Authorization":
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/secretsmanager/aws4_request, "
                    + "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                    + "Signature=a8d14944e2b62fcfea0b0aebcee6376bcc3353764b6d80a6eb1ef82636cca449",
            ])
    }

    @Test func isTheWorkedExampleWithASessionToken() {
        #expect(
            sign(token: "AQoDYXdzEXAMPLETOKEN") == [
                "X-Amz-Date": "20260102T030405Z", "X-Amz-Security-Token": "AQoDYXdzEXAMPLETOKEN",
                "Authorization":
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/secretsmanager/aws4_request, "
                    + "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
                    + "Signature=fd2414c5e850313d8de7e6bab99a1e2e4341e8bb04ae670eb1de28f86948fb09",
            ])
    }
}

@Suite struct AWSTimeTests {
    @Test(
        arguments: [
            (0, "19700101T000000Z"), (1_767_323_045_123, "20260102T030405Z"), (951_782_400_000, "20000229T000000Z"),
            (1_709_251_199_000, "20240229T235959Z"), (4_102_444_800_000, "21000101T000000Z"),
        ] as [(WallMilliseconds, String)])
    func writes(_ time: WallMilliseconds, _ text: String) { #expect(AWSTime.basic(time) == text) }

    @Test(
        arguments: [
            ("2026-01-02T03:04:05Z", 1_767_323_045_000), ("2026-01-02T03:04:05.123456Z", 1_767_323_045_000),
            ("2026-01-02T03:04:05+00:00", 1_767_323_045_000), ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2026-01-02T03:04:05", nil), ("2026-01-02T03:04:05+01:00", nil), ("2026-13-02T03:04:05Z", nil),
            ("2026-01-02T03:04:05.Z", nil), ("2026-01-02 03:04:05Z", nil), ("", nil), ("2026-01-02T24:04:05Z", nil),
        ] as [(String, WallMilliseconds?)])
    func readsISO(_ text: String, _ time: WallMilliseconds?) { #expect(AWSTime.iso8601(text) == time) }

    @Test(
        arguments: [
            ("Fri, 02 Jan 2026 03:04:05 GMT", 1_767_323_045_000), ("Fri, 02 Jan 2026 03:04:05 CET", nil),
            ("Fri, 02 Foo 2026 03:04:05 GMT", nil), ("Fri, 02 Jan 2026 03:04 GMT", nil), ("yesterday", nil),
            ("Fri, -2 Jan 2026 03:04:05 GMT", nil),
        ] as [(String, WallMilliseconds?)])
    func readsDateHeaders(_ text: String, _ time: WallMilliseconds?) { #expect(AWSTime.http(text) == time) }
}
