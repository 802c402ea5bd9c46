import CofferAccess

/// Says what a policy means, slowly and from the text of its patterns: what the real thing is compared with.
struct ReferencePolicy {
    let policy: Policy

    /// As docs/policy.md has it: denied by any rule, else allowed by a rule without limits for all records, the most specific one, else by
    /// the first with limits.
    func decision(_ verb: Verb, _ user: [UInt8], _ connection: [UInt8], _ caller: Caller) -> CallerGrants.Decision {
        guard (1...256).contains(user.count), (1...256).contains(connection.count) else { return .denied }
        let isDenied = policy.deny.contains { rule in
            rule.verbs.contains(verb) && fit(rule.who, caller) != .no
                && rule.keys.contains { matches($0, user, connection, caller, unknown: true) != nil }
        }
        if isDenied { return .denied }
        var best: (rule: Int, rank: Int)?
        for (place, rule) in policy.allow.enumerated()
        where rule.limits == .none && rule.verbs.contains(verb) && fit(rule.who, caller) == .yes {
            for rank in rule.keys.compactMap({ matches($0, user, connection, caller, unknown: false) }) where rank < best?.rank ?? 4 {
                best = (place, rank)
            }
        }
        if let best { return .allowed(rule: best.rule) }
        let limited = policy.allow.firstIndex { rule in
            rule.limits != .none && rule.verbs.contains(verb) && fit(rule.who, caller) == .yes
                && rule.keys.contains { matches($0, user, connection, caller, unknown: false) != nil }
        }
        return limited.map { .limited(rule: $0) } ?? .denied
    }

    func decision(_ verb: Verb, _ caller: Caller) -> CallerGrants.Decision {
        if policy.deny.contains(where: { $0.verbs.contains(verb) && fit($0.who, caller) != .no }) { return .denied }
        let allowing = policy.allow.indices.filter { policy.allow[$0].verbs.contains(verb) && fit(policy.allow[$0].who, caller) == .yes }
        if let free = allowing.first(where: { policy.allow[$0].limits == .none }) { return .allowed(rule: free) }
        return allowing.first.map { .limited(rule: $0) } ?? .denied
    }

    // MARK: Who

    private func fit(_ who: [Selector], _ caller: Caller) -> Truth {
        let truths = who.map { fit($0, caller) }
        return truths.contains(.yes) ? .yes : truths.contains(.unknown) ? .unknown : .no
    }

    private func fit(_ selector: Selector, _ caller: Caller) -> Truth {
        var truths: [Truth] = []
        if let users = selector.users { truths.append(users.map(\.id).contains(caller.uid) ? .yes : .no) }
        if let groups = selector.groups { truths.append(isMember(groups.map(\.id), caller)) }
        if let units = selector.units { truths.append(any(units, caller.unit) { glob($0, $1) }) }
        if let cgroups = selector.cgroups {
            truths.append(any(cgroups, caller.cgroup) { group, path in group == "/" || path == group || path.hasPrefix(group + "/") })
        }
        if let paths = selector.executables { truths.append(any(paths, caller.executable) { glob($0, $1.path) }) }
        if let digests = selector.digests { truths.append(isOne(of: digests, caller)) }
        return truths.contains(.no) ? .no : truths.contains(.unknown) ? .unknown : .yes
    }

    private func isMember(_ groups: [UInt32], _ caller: Caller) -> Truth {
        if groups.contains(caller.gid) { return .yes }
        switch caller.groups {
        case .proven(let members): return Set(members).isDisjoint(with: groups) ? .no : .yes
        case .absent: return .no
        case .unproven: return .unknown
        }
    }

    private func any<Condition, Value>(
        _ conditions: [Condition], _ evidence: Evidence<Value>, _ test: (Condition, Value) -> Bool
    ) -> Truth {
        switch evidence {
        case .proven(let value): conditions.contains { test($0, value) } ? .yes : .no
        case .absent: .no
        case .unproven: .unknown
        }
    }

    private func isOne(of digests: [[UInt8]], _ caller: Caller) -> Truth {
        switch caller.executable {
        case .proven(let program): any(digests, program.digest) { $0 == $1 }
        case .absent: .no
        case .unproven: .unknown
        }
    }

    // MARK: Keys

    /// Where a key that has this record stands in line: 0 for all records, 1 for one, 2 for one user, 3 for a pattern of users;
    /// nil if it has not.
    private func matches(
        _ key: KeyRange, _ user: [UInt8], _ connection: [UInt8], _ caller: Caller, unknown: Bool
    ) -> Int? {
        func tokens(_ pattern: PolicyPattern) -> [Token]? { self.tokens(pattern.text, caller, unknown: unknown) }
        guard let ofUser = tokens(key.user), let ofConnection = tokens(key.connection),
            matches(ofUser[...], user[...]), matches(ofConnection[...], connection[...])
        else { return nil }
        if ofUser == [.star] && ofConnection == [.star] { return 0 }
        if ofUser.contains(.star) { return 3 }
        return ofConnection.contains(.star) ? 2 : 1
    }

    private enum Token: Equatable {
        case byte(UInt8)
        case star
    }

    /// - Parameter unknown: whether a variable without a value is a star, as is all between that and another one;
    ///   otherwise nil is returned.
    private func tokens(_ text: String, _ caller: Caller?, unknown: Bool = false) -> [Token]? {
        var tokens: [Token] = []
        var rest = Array(text.unicodeScalars)[...]
        while let scalar = rest.popFirst() {
            if scalar == "*" {
                tokens.append(.star)
            } else if scalar == "$" {
                let name = String(String.UnicodeScalarView(rest.dropFirst().prefix { $0 != "}" }))
                rest = rest.dropFirst(name.unicodeScalars.count + 2)
                guard let value = value(name, caller) else {
                    guard unknown else { return nil }
                    tokens.append(.star)
                    continue
                }
                tokens += value.utf8.map { .byte($0) }
            } else {
                let literal = scalar == "\\" ? rest.removeFirst() : scalar
                tokens += String(Character(literal)).utf8.map { .byte($0) }
            }
        }
        guard let first = tokens.firstIndex(of: .star), let last = tokens.lastIndex(of: .star) else { return tokens }
        return Array(tokens[...first]) + tokens[(last + 1)...]
    }

    private func value(_ name: String, _ caller: Caller?) -> String? {
        guard let caller else { return nil }
        switch name {
        case "caller.user": return caller.userName.value
        case "caller.uid": return "\(caller.uid)"
        default:
            let parts = (caller.unit.value ?? "").split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
            let instance = parts.count == 2 ? parts[1].split(separator: ".", omittingEmptySubsequences: false).dropLast().joined(separator: ".") : ""
            return instance.isEmpty ? nil : instance
        }
    }

    private func glob(_ pattern: PolicyPattern, _ text: String) -> Bool {
        matches((tokens(pattern.text, nil) ?? [])[...], Array(text.utf8)[...])
    }

    private func matches(_ tokens: ArraySlice<Token>, _ text: ArraySlice<UInt8>) -> Bool {
        switch tokens.first {
        case nil: text.isEmpty
        case .byte(let byte): text.first == byte && matches(tokens.dropFirst(), text.dropFirst())
        case .star: matches(tokens.dropFirst(), text) || (!text.isEmpty && matches(tokens, text.dropFirst()))
        }
    }
}
