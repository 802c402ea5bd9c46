import CofferCore
import CofferHTTP
import CofferVaultKit
import Testing

@testable import CofferAWS

@Suite struct AWSSignatureTests {
    private func sign(token: String?) -> [String: String] {
        let body = Secret(#"{"SecretId":"ai2-connectors/user123/conn456"}"#)
        let headers = AWSSignature(region: "us-east-1", service: "secretsmanager").headers(
            signing: [
                ("Content-Type", "application/x-amz-json-1.1"), ("Host", "secretsmanager.us-east-1.amazonaws.com"),
                ("X-Amz-Target", "secretsmanager.GetSecretValue"),
            ],
            body: body,
            credentials: AWSCredentials(
                accessKeyID: "AKIDEXAMPLE", secretAccessKey: Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
                sessionToken: token.map { Secret($0) }),
            at: 1_767_323_045_000)
        return Dictionary(uniqueKeysWithValues: headers.map { ($0.name, $0.value.text ?? "") })
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
