import CofferAccess
import CofferCache
import CofferCore

/// The policy is asked when it is known which records a call is about, and before anything is done for it.
extension Endpoint {
    /// For one record, by its ids, which are lent until the arena is reset.
    @inline(__always)
    func decide(
        _ call: inout Call, _ verb: Verb, _ user: UnsafeRawBufferPointer, _ connection: UnsafeRawBufferPointer
    ) -> CallerGrants.Decision {
        call.context.keys = .lent(user: user, connection: connection)
        let decision = call.lend { reactor, client in
            client.grants.admit(verb, user: user.bytes, connection: connection.bytes, now: reactor.now)
        }
        call.context.decision = decision
        return decision
    }

    /// For one record.
    func decide(_ call: inout Call, _ verb: Verb, _ key: RecordKey) -> CallerGrants.Decision {
        call.context.keys = .record(key)
        let (grants, now) = (call.grants, call.reactor.now)
        let decision = key.withBytes { grants.admit(verb, user: $0, connection: $1, now: now) }
        call.context.decision = decision
        return decision
    }

    /// Takes note of a decision.
    ///
    /// - Returns: whether the call is allowed; if not, it is counted.
    /// - Throws: RESOURCE_EXHAUSTED if the limits of the rules that allow it are used up.
    @inline(never)
    func isAllowed(_ decision: CallerGrants.Decision, _ call: inout Call) throws(Failure) -> Bool {
        switch decision {
        case .allowed: return true
        case .limited(let rule):
            call.usage = call.grants.usage(ofRule: rule)
            return true
        case .exhausted(_, let nanoseconds): throw .tooOften(nanoseconds)
        case .denied:
            call.reactor.counters.denied.increment()
            return false
        }
    }

    /// For one record whose ids are no secret to the caller, whatever it may do with it.
    ///
    /// - Throws: PERMISSION_DENIED; RESOURCE_EXHAUSTED as above.
    func authorize(_ call: inout Call, _ verb: Verb, _ key: RecordKey) throws(Failure) {
        guard try isAllowed(decide(&call, verb, key), &call) else { throw .denied(call.caller.uid, verb) }
    }

    /// Where the call is about no record.
    func authorize(_ call: inout Call, _ verb: Verb) throws(Failure) {
        let decision = call.grants.admit(verb, now: call.reactor.now)
        call.context.decision = decision
        guard try isAllowed(decision, &call) else { throw .denied(call.caller.uid, verb) }
    }

    /// For all records of a user, or all there are: only where each of them is allowed.
    ///
    /// - Parameter user: nil = all records.
    func authorizeAll(_ call: inout Call, _ verb: Verb, of user: String?) throws(Failure) {
        call.context.keys = user.map { .user($0) } ?? .all
        var decision = CallerGrants.Decision.denied
        if call.grants.coverage(verb, of: user).isAll { decision = call.grants.admitListing(verb, of: user, now: call.reactor.now) }
        call.context.decision = decision
        guard try isAllowed(decision, &call) else { throw .denied(call.caller.uid, verb) }
    }

    /// What of a user's records, or of all, the caller may list.
    ///
    /// - Parameter user: nil = all records.
    func listed(_ call: inout Call, of user: String?) throws(Failure) -> Listed {
        call.context.keys = user.map { .user($0) } ?? .all
        let grants = call.grants
        let decision = grants.admitListing(.list, of: user, now: call.reactor.now)
        call.context.decision = decision
        guard try isAllowed(decision, &call) else { return .nothing }
        return grants.coverage(.list, of: user).isAll ? .everything : .some(grants)
    }

    /// A caller that may not read a record is answered as if it were not there, in the time that this takes.
    @inline(never)
    func pretendAbsence(of user: RawSpan, _ connection: RawSpan) -> Handled {
        cache.lookupNothing(user: user, connection: connection)
        return .absent
    }
}

/// What of a listing is shown.
enum Listed: Sendable {
    case nothing
    case everything
    /// Those that these allow.
    case some(CallerGrants)

    func contains(user: String, _ connection: String) -> Bool {
        switch self {
        case .nothing: false
        case .everything: true
        case .some(let grants):
            Array(user.utf8).span.bytes.withUnsafeBytes { user in
                Array(connection.utf8).span.bytes.withUnsafeBytes {
                    grants.decision(.list, user: user.bytes, connection: $0.bytes).isAllowed
                }
            }
        }
    }
}

extension CallerGrants {
    func coverage(_ verb: Verb, of user: String?) -> Coverage {
        guard var user else { return coverage(verb) }
        return user.withUTF8 { coverage(verb, ofUser: UnsafeRawBufferPointer($0).bytes) }
    }

    func admitListing(_ verb: Verb, of user: String?, now: BootInstant) -> Decision {
        guard var user else { return admitListing(verb, now: now) }
        return user.withUTF8 { admitListing(verb, ofUser: UnsafeRawBufferPointer($0).bytes, now: now) }
    }

    /// Whether the caller may be told whether this record is there.
    func mayRead(_ key: RecordKey) -> Bool { key.withBytes { mayRead(user: $0, connection: $1) } }
}
