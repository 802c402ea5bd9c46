import CofferCore
import CofferMessages
import CofferVault
import CProtobufC

/// A Store request, checked and taken out of the arena.
struct StoreCommand: Sendable {
    /// 100 years.
    static let maximumTTLSeconds: UInt32 = 3_153_600_000

    let key: RecordKey
    let credential: Secret
    let labels: Labels
    let ttlSeconds: UInt32
    let condition: WriteCondition

    /// - Parameters:
    ///   - key: the one that the request names.
    ///   - limit: of the credential, in bytes.
    init(
        _ request: UnsafePointer<Coffer__V1__StoreRequest>, of key: RecordKey, limit: Int
    ) throws(Failure) {
        let message = request.pointee
        self.key = key
        let bytes = UnsafeRawBufferPointer(
            start: message.credential.data, count: message.credential.len)
        guard !bytes.isEmpty else { throw .badField("credential", "expected at least 1 byte, got 0") }
        guard bytes.count <= limit else { throw Self.tooLarge(bytes.count, limit) }
        guard message.ttl_seconds <= Self.maximumTTLSeconds else {
            throw .badField(
                "ttl_seconds", "expected at most \(Self.maximumTTLSeconds), got \(message.ttl_seconds)")
        }
        ttlSeconds = message.ttl_seconds
        labels = try Self.labels(message)
        try labels.check()
        condition = try Self.condition(message)
        credential = Secret(copying: bytes)
    }

    private static func tooLarge(_ bytes: Int, _ limit: Int) -> Failure {
        Failure(
            .invalidArgument, .credentialTooLarge,
            "credential: expected at most \(limit) bytes, got \(bytes); the limit is limits.credential_bytes"
        )
    }

    private static func labels(
        _ message: Coffer__V1__StoreRequest
    ) throws(Failure) -> Labels {
        var labels = Labels()
        for index in 0..<message.n_labels {
            let entry = message.labels[index]!.pointee
            guard labels.insert(RequestFields.string(entry.key), RequestFields.string(entry.value)) else {
                throw .badField("labels", "the same name appears twice")
            }
        }
        return labels
    }

    private static func condition(
        _ message: Coffer__V1__StoreRequest
    ) throws(Failure) -> WriteCondition {
        switch message.condition_case {
        case COFFER__V1__STORE_REQUEST__CONDITION_IF_VERSION:
            .ifVersion(try RequestFields.version(message.if_version))
        case COFFER__V1__STORE_REQUEST__CONDITION_IF_ABSENT:
            message.if_absent != 0 ? .ifAbsent : .none
        default: .none
        }
    }
}
