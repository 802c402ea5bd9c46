import CofferCore
import CofferHTTP
import CofferVaultKit
import Foundation
import Testing

@testable import CofferAWS

/// 200 random requests, signed by botocore: Tests/Live/botocore_vectors.py.
@Suite struct BotocoreVectorTests {
    private struct Vector: Decodable {
        let service, region, body, key, secret, date, authorization: String
        let seconds: UInt64
        let headers: [String: String]
        let token: String?
    }

    @Test func signsAsBotocoreDoes() throws {
        let text = try String(contentsOfFile: try AWSLive.variable("VECTORS"), encoding: .utf8)
        let vectors = try text.split(separator: "\n").map { try JSONDecoder().decode(Vector.self, from: Data($0.utf8)) }
        #expect(vectors.count == 200)
        #expect(Set(vectors.map(\.service)) == ["secretsmanager", "sts"])
        #expect(vectors.contains { $0.token != nil } && vectors.contains { $0.token == nil })
        for (number, vector) in vectors.enumerated() {
            let headers = AWSSignature(region: vector.region, service: vector.service).headers(
                signing: vector.headers.map { (name: $0.key, value: $0.value) }, body: Secret(vector.body),
                credentials: AWSCredentials(
                    accessKeyID: vector.key, secretAccessKey: Secret(vector.secret),
                    sessionToken: vector.token.map { Secret($0) }),
                at: vector.seconds * 1000)
            let found = Dictionary(uniqueKeysWithValues: headers.map { ($0.name, $0.value.text) })
            #expect(found["X-Amz-Date"] == vector.date, "vector \(number)")
            #expect(found["Authorization"] == vector.authorization, "vector \(number)")
        }
    }
}
