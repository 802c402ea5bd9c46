import CofferPolicy
import CofferPolicyProbe
import Testing

/// Texts that are damaged at random are read, or refused with a mistake in its place.
@Suite struct PolicyProbeTests {
    private static let seeds = [
        """
        allow:
        - name: own
          who: [{group: workers, unit: "w@*.service"}, {user: [mail, ann]}]
          verbs: [get, store, list]
          keys: [{user_id: "${caller.user}", connection_id: "*"}, {user_id: '\\*', connection_id: [smtp, "imap-*"]}]
          rate: 100/s
          burst: 5
          in_flight: 8
        deny: [{name: none, who: anyone, verbs: [get], keys: {user_id: root, connection_id: "*"}}]
        """,
        "allow: [{name: a, who: {executable: /usr/bin/mail-sync, cgroup: /system.slice}, verbs: [health, stats]}]\n",
        "allow:\n- &r {name: r, who: anyone, verbs: [doctor]}\n- {<<: *r, name: s}\ndeny: ~\n",
    ]

    private static let words = [
        "*", "${caller.user}", "${", "}", "\\", "?", "[", "]", "{", "}", ": ", "- ", "\n", "\n  ", "'", "\"", "&a ", "*a", "!!str ", "~", "#",
        "name", "who", "verbs", "keys", "user_id", "connection_id", "allow", "deny", "anyone", "user", "65534", "0/s", "\0", "\u{85}", "é",
    ]

    @Test(arguments: UInt64(0)..<4)
    func aDamagedTextIsReadOrRefusedInItsPlace(seed: UInt64) {
        var random = SplitMix(state: seed)
        var taken = 0
        for _ in 0..<500 {
            var bytes = Array(random.pick(Self.seeds).utf8)
            for _ in 0..<random.below(4) { damage(&bytes, &random) }
            let text = String(decoding: bytes, as: UTF8.self)
            if let broken = PolicyProbe.play(text) { Issue.record("\(broken)\n\(text)") }
            if (try? PolicyFile.read(text, .example)) != nil { taken += 1 }
        }
        // Some are whole, some are not.
        #expect((20...480).contains(taken))
    }

    private func damage(_ bytes: inout [UInt8], _ random: inout SplitMix) {
        guard !bytes.isEmpty else { return }
        let place = random.below(bytes.count)
        let end = min(bytes.count, place + random.below(12))
        switch random.below(4) {
        case 0: bytes[place] = UInt8(random.below(256))
        case 1: bytes.removeSubrange(place..<end)
        case 2: bytes.insert(contentsOf: Array(random.pick(Self.words).utf8), at: place)
        default: bytes.insert(contentsOf: Array(bytes[place..<end]), at: random.below(bytes.count))
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood): the same seed, the same run.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }

    mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }
}
