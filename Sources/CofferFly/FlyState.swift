internal import CofferCore

/// What the environment and the files of writes have, by the secrets' names, and what follows from both: kept up to date with
/// every change, so that no call looks at all records.
struct FlyState: Sendable {
    /// A variable of this start.
    struct Variable: Sendable {
        /// nil = a write has taken its place for as long as the process runs.
        var value: FlyValue?
        let fingerprint: String
    }

    /// What a secret is now, as far as this daemon knows.
    enum Found {
        case value(FlyValue)
        /// Neither the environment nor a write has it.
        case absent
        /// A Delete is the last that is known of it.
        case removed
        /// The file of the last write does not open.
        case damaged
    }

    /// The version of the Machine's configuration; "" = not in a Machine.
    let machine: String
    private(set) var environment: [ByteText: Variable] = [:]
    private(set) var entries: [ByteText: FlyEntry] = [:]
    /// Paths of files that do not open. A name leads to its file's path, and not the other way round.
    private(set) var damaged: Set<String>
    /// The secrets that those are of, as far as the API has told their names.
    private var damagedNames: Set<ByteText> = []
    /// What the files have that only the API can settle.
    private(set) var open: Set<ByteText> = []
    /// Of `open`, what may become something else by the API's word.
    private var uncertain: Set<ByteText> = []
    /// Of all that may be records, in the order of their bytes.
    private(set) var names: [ByteText] = []
    /// Of what is being stored, in bytes.
    private var reserved: [ByteText: Int] = [:]
    /// Of all records' variables, as the environment will have them, what is being stored included.
    private(set) var totalBytes = 0
    /// Of the app's secrets: the newest that is known.
    var version: UInt64
    /// When the API may be asked again for what a start has left open.
    var askAgain = BootInstant(nanoseconds: 0)
    /// Names in the API's last answer whose files are known to open or not. No file becomes damaged after the start.
    private(set) var searched: Set<ByteText> = []
    /// The API was asked for the names of the secrets whose files do not open.
    private var hasAskedForNames = false

    init(
        environment values: [ByteText: FlyValue], entries: [ByteText: FlyEntry], damaged: Set<String>, machine: String
    ) {
        self.machine = machine
        self.damaged = damaged
        version = entries.values.compactMap { $0.current?.version }.max() ?? 0
        for (secret, value) in values {
            environment[secret] = Variable(value: value, fingerprint: FlyWrite.fingerprint(value.text))
        }
        self.entries = entries
        for secret in entries.keys { update(secret) }
        let all = Set(environment.keys).union(entries.filter { $0.value.current != nil }.keys)
        names = all.sorted(by: Self.precedes)
        totalBytes = all.union(entries.keys).reduce(0) { $0 + weight($1) }
    }

    // MARK: Looking

    /// - Parameter path: of the secret's file.
    func found(_ secret: ByteText, path: (ByteText) -> String) -> Found {
        if !damaged.isEmpty, damaged.contains(path(secret)) { return .damaged }
        switch entries[secret]?.current?.content {
        case .value(let value): return .value(value)
        case .absent: return .removed
        case nil: return environment[secret]?.value.map(Found.value) ?? .absent
        }
    }

    /// The variable's, which is "" where there is none.
    func fingerprint(_ secret: ByteText) -> String { environment[secret]?.fingerprint ?? "" }

    /// What is served of it may become something else by the API's word.
    func isUncertain(_ secret: ByteText) -> Bool { uncertain.contains(secret) }

    /// What a listing shows may become something else by the API's word.
    var isListingUncertain: Bool {
        !uncertain.isEmpty || (!hasAskedForNames && damaged.count > damagedNames.count)
    }

    /// Names in order, from the first one that begins with `start` and is behind `name`.
    func names(from start: String, after name: String?) -> ArraySlice<ByteText> {
        let first = position(ByteText(start))
        guard let name else { return names[first...] }
        let next = position(ByteText(name))
        let isThere = next < names.count && names[next].text.hasSameBytes(as: name)
        return names[max(first, isThere ? next + 1 : next)...]
    }

    // MARK: Changing

    /// From now on this is what is kept of the secret.
    mutating func set(_ entry: FlyEntry, of secret: ByteText) {
        counting(secret) { state in
            state.entries[secret] = entry.isEmpty ? nil : entry
            state.update(secret)
        }
    }

    /// Follows a change of the entry.
    private mutating func update(_ secret: ByteText) {
        open.remove(secret)
        uncertain.remove(secret)
        guard let entry = entries[secret], let current = entry.current else { return }
        let environment = fingerprint(secret)
        if entry.isOpen(environment: environment, machine: machine) {
            open.insert(secret)
            if current.content.fingerprint != environment { uncertain.insert(secret) }
        } else {
            // Nobody asks for it again before the next start: it need not stay in memory.
            self.environment[secret]?.value = nil
        }
    }

    /// The file of the secret opens again: it was replaced.
    mutating func repair(_ secret: ByteText, path: String) {
        damaged.remove(path)
        counting(secret) { _ = $0.damagedNames.remove(secret) }
    }

    /// Some files that do not open have no name yet.
    var hasUnnamed: Bool { damaged.count > damagedNames.count }

    /// The API has told which secrets there are.
    ///
    /// - Parameters:
    ///   - found: those whose files do not open: they get names.
    ///   - searched: all of them.
    mutating func name(_ found: [ByteText], searched: Set<ByteText>) {
        hasAskedForNames = true
        for secret in found { counting(secret) { _ = $0.damagedNames.insert(secret) } }
        self.searched = searched
    }

    /// The same where no name is missing.
    mutating func noteThatAllIsNamed() { (hasAskedForNames, searched) = (true, []) }

    /// Counts a variable that is being stored.
    ///
    /// - Parameter bytes: of its value.
    /// - Returns: the sum of all, if it exceeds the limit; nothing is changed then.
    mutating func reserve(_ bytes: Int, for secret: ByteText, limit: Int) -> Int? {
        let before = weight(secret)
        reserved[secret] = Self.weight(secret, bytes)
        let total = totalBytes - before + weight(secret)
        guard total <= limit else {
            reserved[secret] = nil
            return total
        }
        totalBytes = total
        return nil
    }

    /// The outcome is known, or kept in the entry.
    mutating func release(_ secret: ByteText) { counting(secret) { $0.reserved[secret] = nil } }

    private mutating func counting(_ secret: ByteText, _ change: (inout Self) -> Void) {
        let before = weight(secret)
        change(&self)
        totalBytes += weight(secret) - before
        let isThere =
            environment[secret] != nil || entries[secret]?.current != nil || damagedNames.contains(secret)
        let index = position(secret)
        let isNamed = index < names.count && names[index] == secret
        if isThere, !isNamed { names.insert(secret, at: index) }
        if !isThere, isNamed { names.remove(at: index) }
    }

    /// The bytes of the variable, with `=` and the zero byte at its end: of the largest that may come of it.
    private func weight(_ secret: ByteText) -> Int {
        let entry = entries[secret]
        let served = if let current = entry?.current { current.content.value } else { environment[secret]?.value }
        let values = [served, entry?.next?.content.value].compactMap { $0?.text.count }
        return max(reserved[secret] ?? 0, values.max().map { Self.weight(secret, $0) } ?? 0)
    }

    private static func weight(_ secret: ByteText, _ bytes: Int) -> Int { secret.text.utf8.count + bytes + 2 }

    // MARK: The order of names

    private static func precedes(_ a: ByteText, _ b: ByteText) -> Bool { a.text.utf8.lexicographicallyPrecedes(b.text.utf8) }

    /// Of the first name that is not before this one.
    private func position(_ name: ByteText) -> Int {
        var (low, high) = (0, names.count)
        while low < high {
            let middle = (low + high) / 2
            if Self.precedes(names[middle], name) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
