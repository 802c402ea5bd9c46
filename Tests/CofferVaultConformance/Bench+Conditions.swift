internal import CofferCore
internal import CofferVault

/// Duties about conditions and about callers that meet.
extension Bench {
    func conditionIfAbsent() async throws {
        let key = try key("u", "c")
        guard hasConditions else { return try await refusesCondition(.ifAbsent) }
        try await write(key, item("v1"), .ifAbsent)
        try await refuses(.alreadyExists, "ifAbsent where a record is") { () throws(Failure) in
            _ = try await write(key, item("v2"), .ifAbsent)
        }
        try require(try await read(key)?.version == "v1", "a refused write changed the record")
        _ = try await remove(key)
        try await write(key, item("v3"), .ifAbsent)
        try require(try await read(key)?.version == "v3", "ifAbsent after a removal wrote nothing")
    }

    func conditionIfVersion() async throws {
        let key = try key("u", "c")
        guard hasConditions else { return try await refusesCondition(.ifVersion("v")) }
        try await refuses(.aborted, "ifVersion where nothing is") { () throws(Failure) in
            _ = try await write(key, item("v1"), .ifVersion("v0"))
        }
        try require(try await read(key) == nil, "ifVersion made a record")
        let created = try await write(key, item("v1"))
        try await fixture.advance(milliseconds: 1000)
        try require(try await write(key, item("v2"), .ifVersion("v1")) == created, "ifVersion lost the creation time")
        // An old version, a later one, a prefix, other case: equality is exact.
        for wrong in ["v1", "v3", "v", "v22", "V2"] {
            try await refuses(.aborted, "ifVersion \(wrong) on v2") { () throws(Failure) in
                _ = try await write(key, item("v9"), .ifVersion(wrong))
            }
        }
        try require(try await read(key)?.version == "v2", "a refused write changed the record")
        _ = try await remove(key)
        try await refuses(.aborted, "ifVersion after a removal") { () throws(Failure) in
            _ = try await write(key, item("v3"), .ifVersion("v2"))
        }
    }

    func conditionOnRemove() async throws {
        let key = try key("u", "c")
        guard hasConditions else {
            return try await refuses(.failedPrecondition, "remove with ifVersion") { () throws(Failure) in
                _ = try await remove(key, ifVersion: "v")
            }
        }
        try require(try await remove(key, ifVersion: "v1") == false, "ifVersion found a record where none is")
        try await write(key, item("v1"))
        try await refuses(.aborted, "removing another version") { () throws(Failure) in
            _ = try await remove(key, ifVersion: "v2")
        }
        try require(try await read(key)?.version == "v1", "a refused removal removed")
        try require(try await remove(key, ifVersion: "v1"), "removing the right version said that none was there")
        try require(try await read(key) == nil, "a removed record can be read")
    }

    private func refusesCondition(_ condition: WriteCondition) async throws {
        let key = try key("u", "c")
        try await refuses(.failedPrecondition, "a condition, which this vault cannot") { () throws(Failure) in
            _ = try await write(key, item("v1"), condition)
        }
        try require(try await read(key) == nil, "a refused condition wrote")
    }

    func oneIfAbsentWins() async throws {
        guard hasConditions else { return try await refusesCondition(.ifAbsent) }
        for round in 0..<8 {
            let key = try key("u", "round-\(round)")
            let winners = try await withThrowingTaskGroup(of: String?.self) { group in
                for task in 0..<16 {
                    group.addTask { try await writesIfAbsent(key, version: "task-\(task)") }
                }
                return try await group.reduce(into: [String]()) { if let version = $1 { $0.append(version) } }
            }
            try require(winners.count == 1, "\(winners.count) of 16 ifAbsent writes went through")
            try require(try await read(key)?.version == winners.first, "another write than the winner's is there")
        }
    }

    private func writesIfAbsent(_ key: VaultKey, version: String) async throws -> String? {
        do {
            try await write(key, item(version), .ifAbsent)
            return version
        } catch {
            try require(error.code == .alreadyExists, "ifAbsent lost with \(error.code.name)")
            return nil
        }
    }

    /// Tasks count together: each reads, adds one and writes if nobody was faster.
    func noUpdateIsLost() async throws {
        guard hasConditions else { return try await refusesCondition(.ifVersion("v")) }
        let key = try key("u", "counter")
        try await write(key, item("0"))
        let (tasks, turns) = (8, 10)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<tasks {
                group.addTask { for _ in 0..<turns { try await countOne(key) } }
            }
            try await group.waitForAll()
        }
        let version = try await read(key)?.version
        try require(version == "\(tasks * turns)", "\(tasks * turns) updates made \(version ?? "nothing")")
    }

    private func countOne(_ key: VaultKey) async throws {
        while true {
            guard let found = try await read(key), let count = Int(found.version) else {
                return try require(false, "the counter is gone")
            }
            do {
                // As sealed records are, no two are the same: by that an adapter knows a write of its own.
                let payload = (0..<16).map { _ in UInt8.random(in: 0...UInt8.max) }
                try await write(key, item("\(count + 1)", payload: payload), .ifVersion(found.version))
                return
            } catch {
                try require(error.code == .aborted, "ifVersion lost with \(error.code.name)")
            }
        }
    }

    /// Each task has a key and finds there what it did last, whatever others do.
    func manyKeysAtOnce() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<32 {
                group.addTask {
                    let key = try key("u\(task % 4)", "task-\(task)")
                    for turn in 0..<20 {
                        let payload = [UInt8](repeating: UInt8(task), count: 1 + turn * 50)
                        let item = item("\(task)-\(turn)", payload: payload)
                        try await write(key, item)
                        let found = try await read(key)
                        try require(found?.version == item.version, "an acknowledged write is not there")
                        try require(found?.payload == item.payload, "a payload of another write is there")
                        if turn % 7 == 6 {
                            try require(try await remove(key), "an acknowledged write was not there to remove")
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
