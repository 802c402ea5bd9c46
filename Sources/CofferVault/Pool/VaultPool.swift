package import CofferCore

/// The rule for a vault's name.
package enum VaultName {
    package static let expects = "a name of 1 to 32 lower-case letters, digits and -"

    package static func isValid(_ name: String) -> Bool {
        (1...32).contains(name.utf8.count)
            && name.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
            }
    }
}

/// All vaults of a daemon, and which of them keeps which records.
package struct VaultPool: Sendable {
    /// One vault of the pool.
    package struct Member: Sendable {
        package let store: RecordStore
        /// Nil for a vault that needs none: one of this process's own.
        package let guarded: GuardedVault?
        /// For the doctor.
        package let advice: VaultAdvice

        package init(store: RecordStore, guarded: GuardedVault? = nil, advice: VaultAdvice = .local) {
            self.store = store
            self.guarded = guarded
            self.advice = advice
        }

        package var name: String { store.vaultName }
        /// Nil if nobody keeps account of it.
        package var health: VaultHealth? { guarded?.health }
    }

    /// In the order of the configuration.
    package let vaults: [Member]
    package let routes: [VaultRoute]
    /// For each route, the place of its vault.
    private let targets: [Int]
    /// The place of the vault that the first route leads everything to; nil if it does not.
    private let only: Int?

    /// - Throws: INVALID_ARGUMENT for no vault or more than 1,000, for two of one
    ///   name, and for a route to a vault that is not there.
    package init(_ vaults: [Member], routes: [VaultRoute]) throws(Failure) {
        guard (1...1_000).contains(vaults.count) else {
            throw .badField("vaults", "expected 1 to 1000, got \(vaults.count)")
        }
        var places: [String: Int] = [:]
        for (place, vault) in vaults.enumerated() {
            guard places.updateValue(place, forKey: vault.name) == nil else {
                throw .badField("vaults", "two have the name \(vault.name); give each a name of its own")
            }
        }
        var targets: [Int] = []
        for route in routes {
            guard let place = places[route.vault] else {
                throw .badField(
                    "routes",
                    "one leads to \(route.vault), but the vaults are \(vaults.map(\.name).joined(separator: ", "))")
            }
            targets.append(place)
        }
        self.vaults = vaults
        self.routes = routes
        self.targets = targets
        only = routes.first.map { $0.user.matchesAll && $0.connection.matchesAll } == true ? targets.first : nil
    }

    /// A pool of one vault that keeps everything.
    package init(_ vault: Member) throws(Failure) {
        try self.init([vault], routes: [VaultRoute(vault: vault.name)])
    }

    // MARK: Routes

    /// The vault that keeps this record, or would.
    ///
    /// - Throws: FAILED_PRECONDITION if no route matches.
    package func store(for key: RecordKey) throws(Failure) -> RecordStore { vaults[try place(of: key)].store }

    /// The vault that keeps this record, for reading it.
    ///
    /// - Throws: FAILED_PRECONDITION if no route matches, or if the vault is write-only; that names the
    ///   vaults that are not.
    package func readableStore(for key: RecordKey) throws(Failure) -> RecordStore {
        let store = try store(for: key)
        try store.vault.checkReadable(insteadUse: vaults.map(\.store).filter(\.isReadable).map(\.vaultName))
        return store
    }

    /// Where records of this user may be, in the order of the routes.
    ///
    /// - Parameter user: nil = everyone.
    package func stores(forUser user: String?) -> [RecordStore] { places(forUser: user).map { vaults[$0].store } }

    /// The vault of this name.
    package subscript(name: String) -> Member? { vaults.first { $0.name == name } }

    func place(of key: RecordKey) throws(Failure) -> Int {
        if let only { return only }
        guard let index = routes.firstIndex(where: { $0.matches(key) }) else {
            throw Failure(
                .failedPrecondition, .notSupported,
                "none of the \(routes.count) routes matches this user and connection; add a last route with the pattern * for both"
            )
        }
        return targets[index]
    }

    func places(forUser user: String?) -> [Int] {
        var places: [Int] = []
        for (route, place) in zip(routes, targets) {
            guard user.map({ route.user.matches($0) }) ?? true else { continue }
            if !places.contains(place) { places.append(place) }
            // What stands below such a route is never reached.
            if route.connection.matchesAll && (user != nil || route.user.matchesAll) { break }
        }
        return places
    }

    /// Lets go of all vaults, at the same time.
    package func close() async {
        await withTaskGroup(of: Void.self) { group in
            for vault in vaults { group.addTask { await vault.store.close() } }
        }
    }
}
