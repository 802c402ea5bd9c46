internal import CofferCore
internal import CofferVault

/// Duties about one record at a time.
extension Bench {
    func readsWhatWasWritten() async throws {
        let key = try key("u", "c")
        try require(try await read(key) == nil, "a record is there before it was written")
        let item = item("v1", expiresAt: now + 60_000)
        let receipt = try await vault.write(key, item, condition: .none, deadline: deadline)
        let created = receipt.createdAt
        try require(created == item.updatedAt, "a new record was created at \(created), expected \(item.updatedAt)")
        try require(
            try await read(key)?.version == receipt.version, "another version is there than the write was told")
        try require(try await read(key) == item, "another item came back than was written")
    }

    func replacesWhole() async throws {
        let key = try key("u", "c")
        try await write(key, item("v1", payload: [1, 2, 3], expiresAt: now + 60_000))
        let second = item("v2", payload: [4])
        try await write(key, second)
        try require(try await read(key) == second, "something of the replaced record is left")
    }

    func removes() async throws {
        let key = try key("u", "c")
        try require(try await remove(key) == false, "removing nothing said that something was there")
        try await write(key, item("v1"))
        try require(try await remove(key), "removing a record said that none was there")
        try require(try await read(key) == nil, "a removed record can be read")
        try require(try await remove(key) == false, "removing again said that something was there")
        let again = item("v2")
        try require(
            try await write(key, again) == again.updatedAt, "a record made after a removal has the old creation time")
    }

    func keepsBinaryOfEverySize() async throws {
        let limit = vault.capabilities.maximumPayloadBytes
        let sizes = [1, 2, 255, 256, 4095, 4096, 4097, 65_536, 1 << 20].filter { $0 < limit } + [limit]
        for (index, size) in sizes.enumerated() {
            let key = try key("u", "size-\(size)")
            // Every byte value, NUL first; another beginning for each size.
            let item = item("v", payload: (0..<size).map { UInt8(truncatingIfNeeded: $0 &+ index &* 7) })
            try await write(key, item)
            try require(try await read(key) == item, "a payload of \(size) bytes came back changed")
        }
    }

    func refusesWrongSizes() async throws {
        let key = try key("u", "c")
        let limit = vault.capabilities.maximumPayloadBytes
        for size in [0, limit + 1] {
            let item = item("v", payload: [UInt8](repeating: 1, count: size))
            try await refuses(.invalidArgument, "a payload of \(size) bytes") { () throws(Failure) in
                _ = try await write(key, item)
            }
        }
        try require(try await read(key) == nil, "a refused payload was kept")
    }

    func tellsTagsApartByOneBit() async throws {
        let first = try key("u", "c")
        try await write(first, item("first"))
        for bit in [0, 7, 128, 255] {
            var tag = first.tag
            tag[bit / 8] ^= 1 << (bit % 8)
            let other = VaultKey(
                key: try RecordKey(user: "u", connection: "bit-\(bit)"), tag: tag, userTag: first.userTag)
            try require(try await read(other) == nil, "a tag that differs in bit \(bit) names the same record")
            try await write(other, item("bit-\(bit)"))
            try require(try await remove(other), "the record of a tag that differs in bit \(bit) is not there")
        }
        try require(try await read(first)?.version == "first", "a record changed through another tag")
    }

    /// Ids that Unicode holds equivalent, and `String` for the same, are two ids: é in one scalar and in two.
    func tellsEquivalentIDsApart() async throws {
        let ids = ["jos\u{E9}", "jose\u{301}"]
        let keys = [try key("u", ids[0]), try key("u", ids[1]), try key(ids[0], "c"), try key(ids[1], "c")]
        for (index, key) in keys.enumerated() {
            try require(try await read(key) == nil, "record \(index) is there before it was written")
            try await write(key, item("v\(index)", payload: [UInt8(index)]))
        }
        for (index, outcome) in await vault.readMany(keys + keys, deadline: deadline).enumerated() {
            let version = try outcome.get()?.version
            try require(version == "v\(index % 4)", "GetMany gave \(version ?? "nothing") for record \(index)")
        }
        for (index, key) in keys.enumerated() {
            try require(try await read(key)?.payload == .sealed([UInt8(index)]), "Get gave another record than \(index)")
        }
        if hasListing {
            for limit in [1, 100] {
                let listed = try await listAll(keys[0].vaultUser, limit: limit)
                try require(
                    listed.count == 2 && Set(listed.map(\.tag)) == Set(keys[..<2].map(\.tag)),
                    "a user with two equivalent connections has \(listed.count) by \(limit)")
                let user = try await listAll(keys[2].vaultUser, limit: limit)
                try require(user.map(\.tag) == [keys[2].tag], "a user was listed with the records of an equivalent one")
                let all = try await listAll(nil, limit: limit)
                try require(
                    keys.allSatisfy { key in all.count { $0.tag == key.tag } == 1 },
                    "equivalent ids are not listed once each by \(limit)")
            }
        }
        for index in [0, 3] { try require(try await remove(keys[index]), "record \(index) was not there to be removed") }
        for (index, key) in keys.enumerated() {
            try require(
                try await read(key)?.version == (index == 0 || index == 3 ? nil : "v\(index)"),
                "removing equivalent ids changed record \(index)")
        }
    }

    func keepsCreated() async throws {
        let key = try key("u", "c")
        let created = try await write(key, item("v1"))
        for version in ["v2", "v3"] {
            try await fixture.advance(milliseconds: 1000)
            let item = item(version)
            try require(try await write(key, item) == created, "replacing changed the creation time")
            let found = try await read(key)
            try require(found?.createdAt == created, "reading shows another creation time than writing")
            try require(found?.updatedAt == item.updatedAt, "replacing kept the old update time")
        }
    }

    func resetsCreatedAfterExpiry() async throws {
        let key = try key("u", "c")
        let first = try await write(key, item("v1", expiresAt: now + 1000))
        try await fixture.advance(milliseconds: 1000 + fixture.expiryStep)
        let second = item("v2")
        try require(
            try await write(key, second) == second.updatedAt && first != second.updatedAt,
            "a record that replaces an expired one has the old creation time")
        try require(try await read(key)?.createdAt == second.updatedAt, "reading shows the expired creation time")
    }

    func expiresToTheStep() async throws {
        let key = try key("u", "c")
        let step = fixture.expiryStep
        let expires = now + 10 * step
        try await write(key, item("v1", expiresAt: expires))
        try await fixture.advance(milliseconds: 9 * step)
        if now < expires {
            try require(try await read(key) != nil, "a record is gone \(expires - now) ms before it expires")
        }
        try await fixture.advance(milliseconds: step)
        try require(try await read(key) == nil, "a record is there \(now - expires) ms after it expired")
    }

    func expiredIsAbsentEverywhere() async throws {
        func expired(_ name: String) async throws -> VaultKey {
            let key = try key("u", name)
            try await write(key, item("old", expiresAt: now + 1000))
            return key
        }
        let removed = try await expired("removed")
        let replaced = try await expired("replaced")
        let absent = try await expired("absent")
        let matched = try await expired("matched")
        try await fixture.advance(milliseconds: 1000 + fixture.expiryStep)

        try require(try await remove(removed) == false, "an expired record was there to be removed")
        try await write(replaced, item("new"))
        try require(try await read(replaced)?.version == "new", "an expired record could not be replaced")
        if hasConditions {
            try await write(absent, item("new"), .ifAbsent)
            try await refuses(.aborted, "ifVersion of an expired record") { () throws(Failure) in
                _ = try await write(matched, item("new"), .ifVersion("old"))
            }
            try require(
                try await remove(matched, ifVersion: "other") == false, "ifVersion saw an expired record")
        }
        if hasListing {
            let names = Set(try await listAll(replaced.vaultUser, limit: 10).map(\.tag))
            try require(!names.contains(matched.tag), "a listing shows an expired record")
            try require(names.contains(replaced.tag), "a listing lacks a record that replaced an expired one")
        }
    }
}
