import CofferCore
import CofferVault
import Synchronization

/// The changes that a vault has told of so far.
final class HeardChanges: Sendable {
    private let state = Mutex<[VaultChange]>([])
    private let task: Mutex<Task<Void, Never>?> = Mutex(nil)

    init(_ vault: any VaultAdapter) {
        guard let changes = vault.changes else { return }
        let task = Task {
            for await change in changes { state.withLock { $0.append(change) } }
        }
        self.task.withLock { $0 = task }
    }

    deinit { task.withLock { $0?.cancel() } }

    var all: [VaultChange] { state.withLock { $0 } }
    /// How often the vault said `everything`.
    var everything: Int { all.count { $0 == .everything } }
    /// The connections of all records that it named.
    var records: Set<String> {
        Set(all.compactMap { if case .record(let key) = $0 { key.connection } else { nil } })
    }

    func forget() { state.withLock { $0 = [] } }

    static func record(_ user: String, _ connection: String) throws -> VaultChange {
        .record(try RecordKey(user: user, connection: connection))
    }
}
