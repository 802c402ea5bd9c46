internal import CofferCore
internal import CofferHTTP
internal import CofferVault
internal import CofferVaultKit
internal import Synchronization

/// Finds the account, and in it the namespace or store that the configuration names, once: nothing is
/// asked where both are ids.
final class CloudflareDirectory: Sendable {
    /// What is looked for in an account.
    struct Wanted: Sendable {
        /// Below the account: "/storage/kv/namespaces".
        let collection: String
        /// The member with its name: "title".
        let nameMember: String
        /// The id or the name; nil = the only one that there is.
        let name: String?
        /// For messages: "KV namespace", and the setting that names it.
        let what: String
        let setting: String
    }

    private static let pageSize = 50
    /// 5,000 elements: five times the namespaces that an account may have.
    private static let maximumPages = 100
    /// A look-up goes on after the call that began it has ended.
    private static let longestSearch = Duration.seconds(10)
    /// How long a look-up that failed is not made again: when nothing fits the configuration, which only people change,
    /// and otherwise.
    static let mismatchPause = Duration.seconds(5)
    static let failurePause = Duration.milliseconds(200)

    private let client: CloudflareClient
    private let account: String?
    private let wanted: Wanted
    private let work: SharedWork<String>
    private let found = Mutex<String?>(nil)
    private let refusal = Mutex<(failure: Failure, until: BootInstant)?>(nil)
    private let isFixed: Bool
    private let clock: any Clock

    init(_ client: CloudflareClient, account: String?, wanted: Wanted, clock: any Clock) {
        self.client = client
        self.account = account
        self.wanted = wanted
        work = SharedWork(clock: clock)
        self.clock = clock
        isFixed = account != nil && wanted.name.map(CloudflareSettings.isID) == true
    }

    /// The path of what was looked for, below the API's root.
    func path(deadline: BootInstant) async throws(Failure) -> String {
        if let path = found.withLock({ $0 }) { return path }
        if let known = refusal.withLock({ $0 }), clock.boot < known.until { throw known.failure.remembered }
        let outcome = await work.outcome(by: deadline) { () async -> Result<String, Failure> in
            do throws(Failure) {
                return .success(try await self.search(deadline: self.clock.boot + Self.longestSearch))
            } catch {
                let pause = error.code == .failedPrecondition ? Self.mismatchPause : Self.failurePause
                self.refusal.withLock { $0 = (error, self.clock.boot + pause) }
                return .failure(error)
            }
        }
        guard let outcome else {
            throw Task.isCancelled
                ? Failure(.cancelled, .cancelled, "the call was cancelled", vault: client.vault)
                : Failure.deadlineExceeded(vault: client.vault).ofRead
        }
        return try outcome.get()
    }

    /// The account's own path.
    func accountPath(deadline: BootInstant) async throws(Failure) -> String {
        let path = try await path(deadline: deadline)
        return String(path.prefix("/accounts/".count + 32))
    }

    /// It may have been created again under its name since: the next call looks it up.
    func forget() {
        if !isFixed { found.withLock { $0 = nil } }
    }

    private func search(deadline: BootInstant) async throws(Failure) -> String {
        var accountID = account
        if accountID == nil { accountID = try await onlyAccount(deadline) }
        let collection = "/accounts/\(accountID ?? "")" + wanted.collection
        let id: String
        if let name = wanted.name, CloudflareSettings.isID(name) {
            id = name
        } else {
            id = try await fitting(in: collection, deadline)
        }
        let path = "\(collection)/\(id)"
        found.withLock { $0 = path }
        return path
    }

    private func onlyAccount(_ deadline: BootInstant) async throws(Failure) -> String {
        let accounts = try await all("/accounts", "name", deadline)
        guard accounts.count == 1 else {
            let count = accounts.isEmpty ? "no account" : "\(accounts.count) accounts"
            throw .cloudflareSetUp(
                "the API token may use \(count); set CLOUDFLARE_ACCOUNT_ID or account_id", client.product, vault: client.vault)
        }
        return accounts[0].id
    }

    private func fitting(in collection: String, _ deadline: BootInstant) async throws(Failure) -> String {
        let all = try await all(collection, wanted.nameMember, deadline)
        let fitting = wanted.name.map { name in all.filter { $0.name.hasSameBytes(as: name) } } ?? all
        guard fitting.count == 1 else {
            let named = wanted.name.map { " named \($0)" } ?? ""
            let count = fitting.isEmpty ? "no \(wanted.what)" : "\(fitting.count) \(wanted.what)s"
            throw .cloudflareSetUp(
                "the account has \(count)\(named); set \(wanted.setting) to the id of one that exists", client.product,
                vault: client.vault)
        }
        return fitting[0].id
    }

    /// Every element of a collection, page by page.
    private func all(
        _ collection: String, _ nameMember: String, _ deadline: BootInstant
    ) async throws(Failure) -> [(id: String, name: String)] {
        var found: [(id: String, name: String)] = []
        for page in 1...Self.maximumPages {
            let answer: CloudflareAnswer
            do throws(CloudflareFault) {
                answer = try await client.call(
                    CloudflareCall(
                        .get, collection, query: [("page", String(page)), ("per_page", String(Self.pageSize))]),
                    deadline: deadline)
            } catch {
                throw client.failure(error)
            }
            guard let elements = answer.result.elements else {
                throw .cloudflareGarbled(client.product, vault: client.vault, writing: false)
            }
            for element in elements {
                guard let id = element["id"]?.text, CloudflareSettings.isID(id), let name = element[nameMember]?.text
                else { continue }
                found.append((id, name))
            }
            // The service may give fewer to a page than it was asked for, and need not say how many there are.
            let pages = answer.information?["total_pages"]?.integer
            if elements.isEmpty || pages.map({ page >= $0 }) == true { break }
        }
        return found
    }
}
