import CofferCore
import CofferCrypto
import CofferMemory
import CofferVault
import Testing

@Suite struct RecordFormatTests {
    private let time = VirtualTime()
    private let keys: KeyRing
    private let legacy: LegacyFormat
    private let key: RecordKey
    private let json = "{\"apiKey\":\"sk-ä\"}"
    private static let all = Set(RecordFormat.allCases)

    init() throws {
        keys = try .forTests()
        legacy = try LegacyFormat(passphrase: Secret("correct horse battery staple"))
        key = try RecordKey(user: "u", connection: "c")
    }

    private var end: BootInstant { time.boot + .seconds(5) }

    private func store(
        _ vault: any VaultAdapter, _ format: RecordFormat, accept: Set<RecordFormat> = all,
        keep: Set<RecordFormat> = [], hasKey: Bool = true
    ) throws(Failure) -> RecordStore {
        try RecordStore(
            vault: vault, keys: keys, environment: "test", format: format, accept: accept, keep: keep,
            legacy: hasKey ? legacy : nil, clock: time, random: SystemRandom())
    }

    @discardableResult
    private func write(
        _ store: RecordStore, _ text: String, labels: Labels = [:], ttl: UInt32 = 0
    ) async throws(Failure) -> Record {
        try await store.write(
            key, credential: Secret(text), labels: labels, ttlSeconds: ttl, condition: .none, deadline: end)
    }

    private func read(_ store: RecordStore) async throws -> Record {
        try #require(try await store.read(key, deadline: end))
    }

    private func failure(_ call: () async throws(Failure) -> Void) async -> Failure? {
        do throws(Failure) {
            try await call()
            return nil
        } catch { return error }
    }

    private func refused(_ message: String) -> Failure {
        Failure(.failedPrecondition, .notSupported, message, vault: "open")
    }

    @Test func theFormatDecidesWhatIsWritten() async throws {
        let vault = OpenVault()
        try await write(store(vault, .json), json)
        #expect(vault[key]?.payload == .text(Secret(json)))
        try await write(store(vault, .legacyAES), json)
        guard case .text(let text) = vault[key]?.payload else { throw Failure.internalError("no text") }
        #expect(try legacy.open(Array(text.text.utf8)).text == json)
        try await write(store(vault, .sealed), json)
        #expect(vault[key]?.payload.envelope != nil)
    }

    @Test(arguments: RecordFormat.allCases, RecordFormat.allCases)
    func everyFormatIsReadWhateverIsWritten(kept: RecordFormat, configured: RecordFormat) async throws {
        let vault = OpenVault()
        let written = try await write(store(vault, kept), json)
        let read = try await read(store(vault, configured))
        #expect(read.body.credential.text == json)
        #expect(read.version == written.version)
        #expect(read.createdAt == written.createdAt)
        #expect(read.body.updatedAt == time.wall)
        #expect(read.key == key)
    }

    /// Somebody who can write to the vault may have put it there.
    @Test(arguments: RecordFormat.allCases, RecordFormat.allCases)
    func aRecordInAnotherFormatIsMarkedAndCounted(kept: RecordFormat, configured: RecordFormat) async throws {
        let vault = OpenVault()
        #expect(try await write(store(vault, kept), json).foreignFormat == nil)
        let store = try store(vault, configured)
        let isForeign = kept != configured
        #expect(try await read(store).foreignFormat == (isForeign ? kept : nil))
        _ = await store.readMany([key], deadline: end)
        #expect(store.foreignReads == (isForeign ? 2 : 0))
    }

    /// Whoever writes it reads it in no other format, unless that is asked for.
    @Test func whatIsNotSealedIsNotTakenForARecord() async throws {
        let vault = OpenVault()
        vault.put(json, key)
        let store = RecordStore(vault: vault, keys: keys, environment: "test", clock: time, random: SystemRandom())
        await #expect(throws: Failure.self) { _ = try await store.read(key, deadline: end) }
    }

    @Test(arguments: [RecordFormat.json, .legacyAES])
    func aRecordKeepsTheFormatThatItHas(format: RecordFormat) async throws {
        let vault = OpenVault()
        let store = try store(vault, .sealed, keep: [format])
        #expect(try await write(store, json).foreignFormat == nil)
        #expect(vault[key]?.payload.envelope != nil, "a new one is written as configured")
        try await write(self.store(vault, format), "{\"a\":1}")
        let written = try await write(store, json)
        #expect(written.foreignFormat == format)
        let read = try await read(store)
        #expect(read.body.credential.text == json && read.foreignFormat == format && read.version == written.version)
        let expected = refused("1 labels were given, and the format \(format.rawValue) keeps none, as the programs it is shared with know none; leave them out, or use the format sealed")
        let failure = await failure { () throws(Failure) in try await write(store, json, labels: ["a": "b"]) }
        #expect(failure == expected)
        #expect(try await self.read(store).version == written.version)
    }

    @Test func whatNobodyCanReadIsReplacedAndOtherFormatsToo() async throws {
        let vault = OpenVault()
        let store = try store(vault, .sealed, keep: [.json])
        vault.put("nothing", key)
        try await write(store, json)
        #expect(vault[key]?.payload.envelope != nil)
        vault.put(String(decoding: try legacy.seal(Secret(json)), as: UTF8.self), key)
        try await write(store, json)
        #expect(vault[key]?.payload.envelope != nil)
    }

    /// A vault of its own clock says when a text was written.
    @Test func storeAndGetSayTheSameTime() async throws {
        let vault = OpenVault(lag: 77)
        let written = try await write(store(vault, .json), json)
        let read = try await read(store(vault, .json))
        #expect(written.body.updatedAt == time.wall + 77)
        #expect(read.body.updatedAt == written.body.updatedAt)
    }

    /// iv:tag:ciphertext in hex, by nobody who knows of Coffer.
    @Test func whatThePredecessorWroteIsRead() async throws {
        let vault = OpenVault()
        vault.put(String(decoding: try legacy.seal(Secret(json)), as: UTF8.self), key)
        let record = try await read(store(vault, .sealed))
        #expect(record.body.credential.text == json)
        #expect(record.version == "v7" && record.createdAt == 100 && record.body.updatedAt == 200)
        #expect(record.body.expiresAt == 0 && record.body.labels.isEmpty)
    }

    @Test func theTextFormOfAnEnvelopeIsOneToo() async throws {
        let vault = OpenVault()
        let store = try store(vault, .sealed)
        let written = try await write(store, json, labels: ["a": "b"])
        let envelope = try #require(vault[key]?.payload.envelope)
        vault.put(Envelope.text(envelope), key)
        let record = try await read(store)
        #expect(record.version == written.version && record.body.labels == ["a": "b"])
        let other = try RecordKey(user: "u", connection: "other")
        vault.put(Envelope.text(envelope), other)
        await #expect(throws: Failure.unreadable(vault: "open")) { _ = try await store.read(other, deadline: end) }
        vault.put(Envelope.text(envelope) + "!", key)
        await #expect(throws: Failure.unreadable(vault: "open")) { _ = try await store.read(key, deadline: end) }
    }

    @Test(arguments: RecordFormat.allCases, RecordFormat.allCases)
    func onlyAcceptedFormatsAreRead(kept: RecordFormat, accepted: RecordFormat) async throws {
        let vault = OpenVault()
        try await write(store(vault, kept), json)
        let store = try store(vault, accepted, accept: [accepted])
        guard kept != accepted else {
            #expect(try await read(store).body.credential.text == json)
            return
        }
        let expected = refused(
            "the stored record has the format \(kept.rawValue), and this vault accepts \(accepted.rawValue) only; store it again, or add its format to accept"
        )
        await #expect(throws: expected) { _ = try await store.read(key, deadline: end) }
        let page = try await store.list(user: "u", after: nil, limit: 9, deadline: end)
        #expect(page.records.isEmpty)
        #expect(page.unreadable == [UnreadableRecord(key, expected)])
    }

    @Test func anUnknownFormatOfAVaultThatListsNamesOnlyIsLeftOut() async throws {
        let vault = OpenVault()
        vault.put("", key)
        let page = try await store(vault, .sealed, accept: [.sealed]).list(user: "u", after: nil, limit: 9, deadline: end)
        #expect(page.records.isEmpty && page.unreadable.isEmpty)
    }

    @Test func withoutItsKeyALegacyValueStaysShut() async throws {
        let vault = OpenVault()
        let message =
            "the format legacy-aes needs the passphrase that the other program has: set key.passphrase_file or CREDENTIAL_ENCRYPTION_KEY"
        try await write(store(vault, .legacyAES), json)
        let keyless = try store(vault, .sealed, hasKey: false)
        await #expect(throws: refused(message)) { _ = try await keyless.read(key, deadline: end) }
        #expect(throws: refused(message)) { try store(vault, .legacyAES, hasKey: false) }
    }

    @Test func aLegacyValueOfAnotherKeyIsSaidToBeOne() async throws {
        let vault = OpenVault()
        let other = try LegacyFormat(passphrase: Secret("another"))
        vault.put(String(decoding: try other.seal(Secret(json)), as: UTF8.self), key)
        let expected = Failure(
            .dataLoss, .unreadableRecord,
            "the stored record has the format legacy-aes and does not open: the program that wrote it has another CREDENTIAL_ENCRYPTION_KEY than this daemon, or it is damaged",
            vault: "open")
        await #expect(throws: expected) {
            _ = try await store(vault, .sealed).read(key, deadline: end)
        }
    }

    @Test(arguments: ["", "sk-plain", "[1]", "\"text\"", "{", "}", "}{", "{\"a\":1", "a{}", "{}a"])
    func whatIsNoRecordIsSaidToBeNone(text: String) async throws {
        let vault = OpenVault()
        vault.put(text, key)
        let expected = Failure(
            .dataLoss, .unreadableRecord,
            "the stored value of \(text.utf8.count) bytes is not a record: expected an envelope, a JSON object, or the predecessor's iv:tag:ciphertext in hex",
            vault: "open")
        await #expect(throws: expected) { _ = try await store(vault, .sealed).read(key, deadline: end) }
    }

    @Test(arguments: ["{}", " {\"a\":1}\r\n", "\t{ }"]) func whiteSpaceAroundAnObjectIsKept(text: String) async throws {
        let vault = OpenVault()
        let store = try store(vault, .json)
        try await write(store, text)
        #expect(try await read(store).body.credential.text == text)
    }

    @Test func whatAReaderWouldTakeForSomethingElseIsNotWrittenAsJSON() async throws {
        let vault = OpenVault()
        try await write(store(vault, .sealed), json)
        let envelope = try #require(vault[key]?.payload.envelope)
        let hex = String(decoding: try legacy.seal(Secret(json)), as: UTF8.self)
        let store = try store(vault, .json)
        let expected = Failure.badField(
            "credential",
            "expected a JSON object in UTF-8, because this vault keeps the format json; the text given is something else"
        )
        for text in [Envelope.text(envelope), hex, "coffer1:{}", "", "text", "[1]", "{\"a\":1", "\u{feff}{}"] {
            #expect(await failure { () throws(Failure) in try await write(store, text) } == expected, "\(text)")
        }
        let notUTF8 = Secret(count: 3) { $0.copyBytes(from: [0x7B, 0xFF, 0x7D]) }
        await #expect(throws: expected) {
            _ = try await store.write(
                key, credential: notUTF8, labels: [:], ttlSeconds: 0, condition: .none, deadline: end)
        }
        #expect(vault[key]?.payload.envelope == envelope)
    }

    /// The other program parses what it opens.
    @Test(arguments: ["nojson", "[1]", "", "\"text\"", "{\"a\":1", "coffer1:{}"])
    func whatIsNoObjectIsNotSealedForAnotherProgram(text: String) async throws {
        let vault = OpenVault()
        let expected = Failure.badField(
            "credential",
            "expected a JSON object in UTF-8, because this vault keeps the format legacy-aes; the text given is something else"
        )
        let store = try store(vault, .legacyAES)
        #expect(await failure { () throws(Failure) in try await write(store, text) } == expected)
        #expect(vault[key] == nil)
        try await write(store, json)
        let kept = vault[key]?.payload
        let keeping = try self.store(vault, .sealed, keep: [.legacyAES])
        #expect(await failure { () throws(Failure) in try await write(keeping, text) } == expected)
        #expect(vault[key]?.payload == kept)
    }

    @Test(arguments: [RecordFormat.json, .legacyAES]) func textFormatsKeepNoLabels(format: RecordFormat) async throws {
        let store = try store(OpenVault(), format)
        let failure = await failure { () throws(Failure) in try await write(store, json, labels: ["a": "b"]) }
        #expect(
            failure
                == refused(
                    "1 labels were given, and the format \(format.rawValue) keeps none, as the programs it is shared with know none; leave them out, or use the format sealed"
                ))
    }

    @Test(arguments: [RecordFormat.json, .legacyAES])
    func textFormatsExpireOnlyIfTheVaultSaysWhen(format: RecordFormat) async throws {
        let plain = try store(OpenVault(), format)
        let failure = await failure { () throws(Failure) in try await write(plain, json, ttl: 5) }
        #expect(failure == refused("a vault of kind open cannot do expiry in the format \(format.rawValue)"))
        let vault = OpenVault(nativeExpiry: true)
        let store = try store(vault, format)
        try await write(store, json, ttl: 5)
        #expect(try await read(store).body.expiresAt == time.wall + 5_000)
        time.advance(.seconds(5))
        #expect(try await store.read(key, deadline: end) == nil)
        #expect(try await store.list(user: "u", after: nil, limit: 9, deadline: end).records.isEmpty)
    }

    @Test func whatCannotWorkIsRefusedAtTheStart() throws {
        let sealedOnly = OpenVault(textPayloads: false)
        for format in [RecordFormat.json, .legacyAES] {
            #expect(
                throws: refused("a vault of kind open keeps the format sealed only; \(format.rawValue) was configured")
            ) {
                try store(sealedOnly, format)
            }
        }
        #expect(try store(sealedOnly, .sealed).format == .sealed)
        #expect(
            throws: refused(
                "records are written as json, which accept does not list; add it, or they cannot be read")
        ) { try store(OpenVault(), .json, accept: [.sealed]) }
    }

    @Test func textRecordsAreListedByNameWithoutBeingOpened() async throws {
        let vault = OpenVault()
        let hex = String(decoding: try legacy.seal(Secret(json)), as: UTF8.self)
        for (name, text) in [("c1", json), ("c2", hex), ("c3", "")] {
            vault.put(text, try RecordKey(user: "u", connection: name))
        }
        let store = try store(vault, .json, hasKey: false)
        let records = try await store.list(user: "u", after: nil, limit: 9, deadline: end).records
        #expect(records.map(\.key.connection) == ["c1", "c2", "c3"])
        #expect(records.allSatisfy { $0.version == "v7" && $0.body.credential.count == 0 && $0.createdAt == 100 })
    }

    @Test func manyKeysAreOneCall() async throws {
        let vault = OpenVault()
        let keys = try (0..<5).map { try RecordKey(user: "u", connection: "c\($0)") }
        vault.put(json, keys[0])
        vault.put("nothing", keys[2])
        vault.put(json, keys[3], expiresAt: time.wall)
        let outcomes = await (try store(vault, .sealed)).readMany(keys, deadline: end)
        #expect(vault.reads == [5])
        #expect(try outcomes[0].get()?.body.credential.text == json)
        #expect(throws: Failure.self) { try outcomes[2].get() }
        for index in [1, 3, 4] { #expect(try outcomes[index].get() == nil) }
    }

    /// Against the standard library, over every first and second byte.
    @Test func textIsUTF8ExactlyWhenItIs() async throws {
        let vault = OpenVault()
        let store = try store(vault, .json)
        for first in UInt8.min...UInt8.max {
            for tail in [
                [], [0x7F], [0x80], [0x9F], [0xA0], [0xBF], [0x80, 0x80], [0x90, 0x80, 0x80], [0x8F, 0xBF, 0xBF],
                [0xA0, 0xC0],
            ] as [[UInt8]] {
                let bytes = [UInt8(ascii: "{"), first] + tail + [UInt8(ascii: "}")]
                vault[key] = VaultItem(
                    payload: .text(Secret(count: bytes.count) { $0.copyBytes(from: bytes) }), version: "v",
                    createdAt: 1, updatedAt: 1, expiresAt: 0)
                let isRead = (try? await store.read(key, deadline: end)) != nil
                if isRead != (String(validating: bytes, as: UTF8.self) != nil) { Issue.record("\(bytes): \(isRead)") }
            }
        }
    }
}
