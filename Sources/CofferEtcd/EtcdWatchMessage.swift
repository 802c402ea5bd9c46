internal import CofferCore
internal import CofferVaultKit

/// One line of etcd's watch stream.
enum EtcdWatchMessage: Equatable {
    struct Change: Equatable {
        let name: [UInt8]
        let revision: Int64
    }

    /// The watch stands; the store had this revision then.
    case created(revision: Int64)
    /// - isWhole: no more changes of the last revision follow in another line.
    case changes([Change], isWhole: Bool)
    /// All changes up to this revision have been sent.
    case progress(revision: Int64)
    /// History is gone behind the revision that was asked for.
    case compacted
    /// etcd ends the watch, or never began it.
    case refused(EtcdFault)
    /// Nothing that etcd sends.
    case garbled

    init(_ line: Secret) {
        guard let json = try? JSON.parse(answer: line), json.members != nil else {
            self = .garbled
            return
        }
        if let error = json["error"] {
            self = .refused(Self.fault(error))
            return
        }
        guard let result = json["result"], let header = result["header"], header.members != nil else {
            self = .garbled
            return
        }
        // What is 0 the gateway leaves out.
        guard let revision = header["revision"].map({ $0.revision }) ?? 0 else {
            self = .garbled
            return
        }
        self = Self.message(result, revision: revision)
    }

    private static func message(_ result: JSON, revision: Int64) -> Self {
        if result["canceled"]?.bool == true {
            if result["compact_revision"]?.int64 ?? 0 > 0 { return .compacted }
            return .refused(fault(cancelReason: result["cancel_reason"]?.string))
        }
        if result["created"]?.bool == true { return .created(revision: revision) }
        guard let events = result["events"]?.elements, !events.isEmpty else { return .progress(revision: revision) }
        var changes: [Change] = []
        for event in events {
            guard let kv = event["kv"], let name = EtcdRecord.name(kv), let revision = kv["mod_revision"]?.revision else {
                return .garbled
            }
            changes.append(Change(name: name, revision: revision))
        }
        return .changes(changes, isWhole: result["fragment"]?.bool != true)
    }

    /// Of a stream that broke: `{"grpc_code":14,"message":"…"}`; newer gateways write `code`.
    private static func fault(_ error: JSON) -> EtcdFault {
        guard let code = (error["grpc_code"] ?? error["code"])?.integer else { return .unavailable }
        return EtcdFault(code: code, words: [error["message"]].compactMap { $0?.string })
    }

    /// etcd has no code here, only words.
    private static func fault(cancelReason: JSONString?) -> EtcdFault {
        func says(_ words: String) -> Bool {
            cancelReason?.withBytes { $0.extracting(0..<min(4_096, $0.byteCount)).contains(words) } ?? false
        }
        if says("invalid auth token") || says("revision of auth store is old") { return .badToken }
        if says("user name is empty") { return .noToken }
        if says("ermission denied") || says("PermissionDenied") { return .denied }
        return says("no leader") ? .notServing : .unavailable
    }
}
