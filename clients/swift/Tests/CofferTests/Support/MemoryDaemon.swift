import SwiftProtobuf
import Synchronization

@testable import Coffer

/// Both services over a dictionary: what a daemon means, without what makes it one.
final class MemoryDaemon: Sendable {
    private struct Entry {
        let request: Coffer_V1_StoreRequest
        let version: String
    }

    private let entries = Mutex<[CredentialKey: Entry]>([:])
    private let writes = Mutex(0)

    @Sendable
    func serve(_ peer: FakePeer, _: Int) throws {
        while true {
            let request = try peer.read()
            let call = request.header.callID
            guard request.header.kind == FrameKind.request.rawValue else { continue }
            switch request.header.methodOrStatus {
            case Coffer_V1_CredentialsMethods.store.id: try store(request.message(), call, peer)
            case Coffer_V1_CredentialsMethods.get.id: try get(request.message(), call, peer)
            case Coffer_V1_CredentialsMethods.delete.id: try delete(request.message(), call, peer)
            case Coffer_V1_CredentialsMethods.getMany.id: try getMany(request.message(), call, peer)
            case Coffer_V1_CredentialsMethods.list.id: try list(request.message(), call, peer)
            case Coffer_V1_AdminMethods.health.id:
                try peer.respond(call, Self.health)
            case Coffer_V1_CredentialsMethods.ping.id: try ping(call, peer)
            case Coffer_V1_AdminMethods.stats.id: try stats(call, peer)
            case Coffer_V1_AdminMethods.invalidate.id:
                try peer.respond(call, Coffer_V1_InvalidateResponse.with { $0.dropped = 1 })
            case Coffer_V1_AdminMethods.doctor.id: try doctor(request.message(), call, peer)
            default: try peer.refuse(call, .unimplemented, .unknownMethod)
            }
        }
    }

    private static let health = Coffer_V1_HealthResponse.with {
        $0.serving = true
        $0.vaults = [
            .with {
                $0.name = "main"
                $0.kind = "vault"
                $0.format = "json"
                $0.routes = ["user=* connection=*"]
                $0.lastFailure = .vaultUnreachable
                $0.lastFailureMs = 5
                $0.breaker = .open
                $0.breakerRetryMs = 1_500
                $0.inFlight = 1
                $0.queued = 2
                $0.calls = 3
                $0.failures = 4
                $0.retries = 6
                $0.refusals = 7
                $0.writes = .fail
                $0.writeFailure = .vaultRefused
            },
            .with {
                $0.breaker = .UNRECOGNIZED(9)
                $0.writes = .UNRECOGNIZED(9)
            },
        ]
    }

    /// A vault that takes the record and then is out of reach.
    private func doctor(_ request: Coffer_V1_DoctorRequest, _ call: UInt64, _ peer: FakePeer) throws {
        try peer.respond(
            call,
            Coffer_V1_DoctorResponse.with {
                $0.vaults = [
                    .with {
                        $0.name = request.vault
                        $0.kind = "vault"
                        $0.steps = [
                            .with {
                                $0.action = .store
                                $0.durationUs = 20
                            },
                            .with {
                                $0.action = .get
                                $0.status = 14
                                $0.failure = .with {
                                    $0.reason = .vaultUnreachable
                                    $0.message = "out of reach"
                                    $0.vault = request.vault
                                    $0.retryable = true
                                }
                                $0.advice = "Is it running?"
                            },
                            .with {
                                $0.action = .compare
                                $0.skipped = true
                            },
                            .with { $0.action = .delete },
                        ]
                    }
                ]
            })
    }

    private func store(_ request: Coffer_V1_StoreRequest, _ call: UInt64, _ peer: FakePeer) throws {
        let key = CredentialKey(user: request.userID, connection: request.connectionID)
        let version = writes.withLock { count in
            count += 1
            return "v\(count)"
        }
        let refusal = entries.withLock { entries -> (CofferError.Code, Coffer_V1_Failure.Reason)? in
            switch request.condition {
            case .ifAbsent(true) where entries[key] != nil: return (.alreadyExists, .alreadyExists)
            case .ifVersion(let wanted) where entries[key]?.version != wanted: return (.aborted, .versionMismatch)
            default: break
            }
            entries[key] = Entry(request: request, version: version)
            return nil
        }
        if let refusal { return try peer.refuse(call, refusal.0, refusal.1) }
        try peer.respond(
            call,
            Coffer_V1_StoreResponse.with {
                $0.version = version
                $0.createdAtMs = 1
                $0.updatedAtMs = 2
                $0.expiresAtMs = UInt64(request.ttlSeconds) * 1_000
            })
    }

    private func record(_ key: CredentialKey) -> Coffer_V1_GetResponse? {
        entries.withLock { $0[key] }.map { entry in
            .with {
                $0.credential = entry.request.credential
                $0.version = entry.version
                $0.labels = entry.request.labels
                $0.expiresAtMs = UInt64(entry.request.ttlSeconds) * 1_000
                $0.source = .vault
            }
        }
    }

    private func get(_ request: Coffer_V1_GetRequest, _ call: UInt64, _ peer: FakePeer) throws {
        guard let record = record(.init(user: request.userID, connection: request.connectionID)) else {
            return try peer.refuse(call, .notFound, .notFound)
        }
        try peer.respond(call, record)
    }

    private func delete(_ request: Coffer_V1_DeleteRequest, _ call: UInt64, _ peer: FakePeer) throws {
        let key = CredentialKey(user: request.userID, connection: request.connectionID)
        let existed = entries.withLock { $0.removeValue(forKey: key) != nil }
        try peer.respond(call, Coffer_V1_DeleteResponse.with { $0.existed = existed })
    }

    /// One result in each response, the last key first.
    private func getMany(_ request: Coffer_V1_GetManyRequest, _ call: UInt64, _ peer: FakePeer) throws {
        for (index, key) in request.keys.enumerated().reversed() {
            var result = Coffer_V1_GetResult()
            result.index = UInt32(index)
            if let record = record(.init(user: key.userID, connection: key.connectionID)) {
                result.record = record
            } else {
                result.status = CofferError.Code.notFound.rawValue
                result.failure = .with { $0.reason = .notFound }
            }
            try peer.respond(call, Coffer_V1_GetManyResponse.with { $0.results = [result] }, more: index > 0)
        }
    }

    private func list(_ request: Coffer_V1_ListRequest, _ call: UInt64, _ peer: FakePeer) throws {
        let all = entries.withLock { $0.keys.filter { $0.user == request.userID }.map(\.connection).sorted() }
        let start = Int(request.pageToken) ?? 0
        let end = min(all.count, start + Int(request.pageSize == 0 ? 100 : request.pageSize))
        try peer.respond(
            call,
            Coffer_V1_ListResponse.with { response in
                response.entries = all[start..<end].map { connection in
                    .with {
                        $0.userID = request.userID
                        $0.connectionID = connection
                    }
                }
                response.nextPageToken = end < all.count ? "\(end)" : ""
            })
    }

    private func ping(_ call: UInt64, _ peer: FakePeer) throws {
        try peer.respond(
            call,
            Coffer_V1_PingResponse.with {
                $0.version = "1.2.3"
                $0.instance = "0123456789abcdef"
                $0.draining = true
                $0.maxFrameBytes = 1_114_112
                $0.maxCredentialBytes = 65_536
                $0.maxWaitingCalls = 1_024
                $0.maxKeys = 256
                $0.maxCallMs = 60_000
                $0.features = 1 << 63
            })
    }

    private func stats(_ call: UInt64, _ peer: FakePeer) throws {
        let count = entries.withLock { $0.count }
        try peer.respond(
            call,
            Coffer_V1_StatsResponse.with {
                $0.stats = [
                    .with {
                        $0.name = "records"
                        $0.value = UInt64(count)
                    }
                ]
            })
    }
}
