package import CofferCore
import CProtobufC
import CofferMessages

/// What a record is, beside its credential: what Store and List answer.
package struct RecordMetadata: Equatable, Sendable {
    package var version: String
    package var labels: Labels
    package var createdAt: WallMilliseconds
    package var updatedAt: WallMilliseconds
    /// 0 = never.
    package var expiresAt: WallMilliseconds
    /// How it lies in its vault, if that is not how the vault is written; else empty.
    package var foreignFormat: String

    package init(
        version: String, labels: Labels, createdAt: WallMilliseconds,
        updatedAt: WallMilliseconds, expiresAt: WallMilliseconds, foreignFormat: String = ""
    ) {
        self.version = version
        self.labels = labels
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.expiresAt = expiresAt
        self.foreignFormat = foreignFormat
    }
}

/// Swift values to encoded response messages, by protobuf-c. All results are
/// `Secret`, so that no call site has to know which of them need to be.
package enum ReplyMessages {
    /// The part of a GetResponse that stays true while the record is cached.
    /// `GetResponseTail` completes it.
    package static func getResponse(credential: Secret, metadata: RecordMetadata) -> Secret {
        let builder = MessageBuilder()
        let message = builder.message(
            Coffer__V1__GetResponse.self, coffer__v1__get_response__init)
        let labels = metadata.labels.map { name, value in
            let entry = builder.message(
                Coffer__V1__GetResponse__LabelsEntry.self,
                coffer__v1__get_response__labels_entry__init)
            entry.pointee.key = builder.string(name)
            entry.pointee.value = builder.string(value)
            return entry
        }
        message.pointee.n_labels = labels.count
        message.pointee.labels = builder.pointers(labels)
        message.pointee.version = builder.string(metadata.version)
        message.pointee.created_at_ms = metadata.createdAt
        message.pointee.updated_at_ms = metadata.updatedAt
        message.pointee.expires_at_ms = metadata.expiresAt
        message.pointee.foreign_format = builder.string(metadata.foreignFormat)
        return credential.withUnsafeBytes { bytes in
            // protobuf-c only reads it.
            message.pointee.credential.data = UnsafeMutablePointer(
                mutating: bytes.bindMemory(to: UInt8.self).baseAddress)
            message.pointee.credential.len = bytes.count
            return builder.pack(message)
        }
    }

    package static func storeResponse(_ metadata: RecordMetadata) -> Secret {
        let builder = MessageBuilder()
        let message = builder.message(
            Coffer__V1__StoreResponse.self, coffer__v1__store_response__init)
        message.pointee.version = builder.string(metadata.version)
        message.pointee.created_at_ms = metadata.createdAt
        message.pointee.updated_at_ms = metadata.updatedAt
        message.pointee.expires_at_ms = metadata.expiresAt
        return builder.pack(message)
    }

    package static func deleteResponse(existed: Bool) -> Secret {
        let builder = MessageBuilder()
        let message = builder.message(
            Coffer__V1__DeleteResponse.self, coffer__v1__delete_response__init)
        message.pointee.existed = existed ? 1 : 0
        return builder.pack(message)
    }

    package static func listResponse(
        _ entries: [(key: RecordKey, metadata: RecordMetadata)], unreadable: [UnreadableRecord], next: String
    ) -> Secret {
        let builder = MessageBuilder()
        let message = builder.message(
            Coffer__V1__ListResponse.self, coffer__v1__list_response__init)
        let list = entries.map { entry(builder, $0.key, $0.metadata) } + unreadable.map { entry(builder, $0) }
        message.pointee.n_entries = list.count
        message.pointee.entries = builder.pointers(list)
        message.pointee.next_page_token = builder.string(next)
        return builder.pack(message)
    }

    private static func entry(
        _ builder: MessageBuilder, _ key: RecordKey, _ metadata: RecordMetadata
    ) -> UnsafeMutablePointer<Coffer__V1__ListEntry> {
        let message = builder.message(Coffer__V1__ListEntry.self, coffer__v1__list_entry__init)
        let labels = metadata.labels.map { name, value in
            let label = builder.message(
                Coffer__V1__ListEntry__LabelsEntry.self, coffer__v1__list_entry__labels_entry__init)
            label.pointee.key = builder.string(name)
            label.pointee.value = builder.string(value)
            return label
        }
        message.pointee.user_id = builder.string(key.user)
        message.pointee.connection_id = builder.string(key.connection)
        message.pointee.version = builder.string(metadata.version)
        message.pointee.n_labels = labels.count
        message.pointee.labels = builder.pointers(labels)
        message.pointee.created_at_ms = metadata.createdAt
        message.pointee.updated_at_ms = metadata.updatedAt
        message.pointee.expires_at_ms = metadata.expiresAt
        return message
    }

    private static func entry(
        _ builder: MessageBuilder, _ record: UnreadableRecord
    ) -> UnsafeMutablePointer<Coffer__V1__ListEntry> {
        let message = builder.message(Coffer__V1__ListEntry.self, coffer__v1__list_entry__init)
        message.pointee.user_id = builder.string(record.user)
        message.pointee.connection_id = builder.string(record.connection)
        message.pointee.status = record.failure.code.rawValue
        message.pointee.failure = failure(builder, record.failure)
        return message
    }

    package static func failure(_ failure: Failure) -> Secret {
        let builder = MessageBuilder()
        return builder.pack(self.failure(builder, failure))
    }

    static func failure(
        _ builder: MessageBuilder, _ failure: Failure
    ) -> UnsafeMutablePointer<Coffer__V1__Failure> {
        let message = builder.message(Coffer__V1__Failure.self, coffer__v1__failure__init)
        message.pointee.reason = Coffer__V1__Failure__Reason(UInt32(failure.reason.rawValue))
        message.pointee.message = builder.string(String(decoding: failure.message.utf8.prefix(1_024), as: UTF8.self))
        message.pointee.vault = builder.string(failure.vault)
        message.pointee.retryable = failure.retryable ? 1 : 0
        message.pointee.may_have_happened = failure.mayHaveWritten ? 1 : 0
        return message
    }
}
