import CofferAccess
import CofferCache
import CofferCore
import CofferCrypto
import CofferVault
import Logging

@testable import CofferCrypto
@testable import CofferServer

/// The daemon's insides, wired as `Server` wires them, without its threads and
/// its listening socket. Belongs to the thread that makes it: that is the
/// reactor's.
final class Service {
    static let owner: UInt32 = 1_000
    static let stranger: UInt32 = 2_000

    /// The owner may do everything, the stranger next to nothing.
    static var policy: Policy {
        var policy = Policy.owner(owner)
        let key = KeyRange(user: PolicyPattern(literal: "nobody's"), connection: .any)
        policy.allow.append(
            PolicyRule(
                name: "stranger", who: [Selector(users: [.init(id: stranger, name: "stranger")])], verbs: VerbSet(.invalidate),
                keys: [key]))
        return policy
    }

    let clock = FuzzClock()
    let vault = FuzzVault()
    let limits: ServerLimits
    let ledger: UIDLedger
    let access: AccessControl
    let credentials: CredentialService
    let inbox: Inbox
    let counters = ReactorCounters()
    let reactor: Reactor
    /// Every call that has ended.
    let endings = Endings()
    let probe: AllocatorProbe

    init(
        limits: ServerLimits, cache: CacheConfiguration, policy: Policy = Service.policy,
        identifier: any CallerIdentifier = NoIdentifier()
    ) throws {
        access = AccessControl(CurrentPolicy(policy, overflow: OverflowIDs()), identifier: identifier)
        self.limits = limits
        inbox = try Inbox()
        ledger = UIDLedger(limits: limits)
        let log = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
        let bootKey = BootKey()
        let term = KeyTerm(
            id: 1, name: "fuzz", state: .active, createdAt: 1, key: Self.secret(byte: 3))
        let keys = KeyRing(base: Self.secret(byte: 5), terms: [term])
        let records = RecordStore(
            vault: vault, keys: keys, environment: "fuzz", clock: clock, random: FuzzRandom())
        let pool = try VaultPool(VaultPool.Member(store: records))
        let budget = BufferBudget(limits: limits)
        credentials = CredentialService(
            cache: Cache(configuration: cache, random: FuzzRandom()), pool: pool,
            statuses: VaultStatuses(pool, clock: clock, log: log), bootKey: bootKey, inboxes: [inbox],
            clock: clock, random: FuzzRandom(), flightTime: .seconds(5), budget: budget)
        let admin = AdminService(
            credentials: credentials, random: FuzzRandom(), counters: [counters],
            ledger: ledger, budget: budget, clock: clock, version: "fuzz", warnings: ["none"])
        let services = Endpoint.Services(
            credentials: credentials, admin: admin, bootKey: bootKey, limits: limits, budget: budget)
        let context = ServerContext(
            limits: limits, spin: .zero, ledger: ledger, budget: budget, clock: clock, log: log, access: access,
            observer: endings)
        reactor = try Reactor(
            index: 0, shared: context, services: Endpoint(services), inbox: inbox, counters: counters, acceptor: nil)
        probe = AllocatorProbe(reactor.arena)
        inbox.claim()
    }

    /// Nothing is left to do before something new comes.
    var isQuiet: Bool { vault.isIdle && reactor.isCaughtUp && reactor.nextTurnAt == nil }

    private static func secret(byte: UInt8) -> Secret {
        Secret(count: 32) { $0.initializeMemory(as: UInt8.self, repeating: byte) }
    }

    /// As if nothing had ever been stored or read.
    func reset(_ script: Script) {
        _ = credentials.cache.invalidate(user: nil)
        vault.reset(
            seed: script.seed, fails: script.options.contains(.failingVault),
            holds: script.options.contains(.lateVault))
        endings.forget()
        probe.givesBlocks = script.options.contains(.blocks)
    }

    /// Nil, or what a client that has gone left behind.
    func leftover() -> String? {
        if reactor.openCount != 0 { return "the connection is still open" }
        if ledger.work != 0 || ledger.connections != 0 {
            return "the ledger counts \(ledger.work) calls, \(ledger.connections) connections"
        }
        if reactor.budget.bytes != 0 { return "the budget counts \(reactor.budget.bytes) bytes" }
        if !reactor.calls.isEmpty { return "a call still waits" }
        if endings.waited != reactor.lastSerial {
            return "\(reactor.lastSerial) calls have waited, and \(endings.waited) ended"
        }
        if credentials.cache.usage.flights != 0 { return "a flight is still on its way" }
        clock.advance(byMilliseconds: 61_000)
        reactor.turn(waiting: 0)
        return reactor.deadlines.count == 0 ? nil : "a deadline is still awaited"
    }
}
