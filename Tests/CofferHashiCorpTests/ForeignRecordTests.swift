import CofferCore
import CofferHTTP
import CofferVault
import CofferVaultConformance
import Testing

@testable import CofferHashiCorp

/// Records that other programs wrote and that cannot be given back: each is its own trouble, and
/// never the vault's.
@Suite(.timeLimit(.minutes(1))) struct ForeignRecordTests {
    /// What a KV engine can hold beside what we write.
    private static let odd = [
        String(repeating: "{\"a\":", count: 40) + "1" + String(repeating: "}", count: 40),
        String(repeating: "{\"a\":", count: 9_000) + "1" + String(repeating: "}", count: 9_000),
        #"{"a":1,"a":2}"#, #"{"x":{"a":1,"\u0061":2}}"#, #"{"a":"\ud800"}"#, #"{"\udfff":1}"#, "[1]", "7",
        #"{"coffer":"coffer1:AAAA","version":7}"#,
    ]

    /// However often one client reads them, all others are served.
    @Test func neverOpenTheBreaker() async throws {
        let odd = Self.odd
        let bed = try Bed { request, _ in
            let place = request.path.split(separator: "/").last.flatMap { Int($0) }
            return request.path.contains("lookup-self")
                ? HTTPResponse(200, #"{"data":{"ttl":0}}"#) : .kv(place.map { odd[$0] } ?? #"{"good":1}"#)
        }
        let vault = GuardedVault(bed.vault, clock: bed.time, random: SystemRandom(), sleeper: TaskSleeper(clock: bed.time))
        for _ in 0..<4 {
            for place in odd.indices {
                let failure = await failure { () async throws(Failure) in try await vault.read(try Bed.key("u", "\(place)"), deadline: bed.deadline) }
                #expect(failure?.code == .dataLoss && failure?.reason == .unreadableRecord, "\(odd[place].prefix(40))")
            }
        }
        #expect(vault.health.breaker == .closed && vault.health.failures == 0)
        #expect(try await vault.read(try Bed.key("u", "good"), deadline: bed.deadline) != nil)
    }

    /// The two names are one to Unicode, and two to every vault.
    @Test func twinNamesComeBackAsTheyAre() async throws {
        let twins = "{\"\u{E9}\":1,\"e\u{301}\":2}"
        let bed = try Bed { _, _ in .kv(twins) }
        guard case .text(let text)? = try await bed.read()?.payload else {
            Issue.record("no text")
            return
        }
        #expect(text.string == twins)
    }

    /// What is acknowledged can be read: 32 deep is taken and given back, 33 is refused with the
    /// reason, before anything is sent.
    @Test(arguments: [30, 32, 33]) func whatIsTakenCanBeReadAgain(depth: Int) async throws {
        let text = String(repeating: "{\"a\":", count: depth - 1) + "{}" + String(repeating: "}", count: depth - 1)
        let bed = try Bed { request, _ in
            if request.method == .post { return .written(1) }
            return request.path.contains("/c") && depth == 0 ? .absent : .kv(text)
        }
        let item = VaultItem(
            payload: .text(Secret(text: text)), version: "v", createdAt: 1, updatedAt: 1, expiresAt: 0)
        let refusal: Failure?
        do throws(Failure) {
            _ = try await bed.write(item)
            refusal = nil
        } catch {
            refusal = error
        }
        if depth > 32 {
            #expect(refusal?.code == .invalidArgument && refusal?.message.contains("at most 32 deep") == true)
            #expect(!bed.lines.contains { $0.hasPrefix("POST") })
            return
        }
        #expect(refusal == nil)
        #expect(try await bed.read()?.payload == item.payload)
    }
}
