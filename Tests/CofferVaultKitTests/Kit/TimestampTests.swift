import CofferCore
import CofferVaultKit
import Testing

@Suite struct TimestampTests {
    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-25T15:53:31.123456789Z", 1_795_622_011_123),
            ("2000-02-29T23:59:59.9Z", 951_868_799_900), ("2026-11-25T15:53:31.12+01:30", 1_795_616_611_120),
            ("9999-12-31T23:59:59.999Z", 253_402_300_799_999), ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ] as [(String, WallMilliseconds)])
    func reads(text: String, time: WallMilliseconds) { #expect(Timestamp.milliseconds(of: text) == time) }

    @Test(arguments: [
        "", "2026", "2026-11-25", "2026-11-25T15:53:31", "2026-13-25T15:53:31Z", "2026-11-25T25:53:31Z",
        "2026-11-25T15:53:31.Z", "2026-11-25T15:53:31Zz", "1969-12-31T23:59:59Z", "2026-11-25 15:53:31Z",
        "2026-11-25T15:53:31+1:00", String(repeating: "2", count: 65),
    ])
    func refuses(text: String) { #expect(Timestamp.milliseconds(of: text) == nil) }

    @Test(arguments: [
        (0, "1970-01-01T00:00:00.000Z"), (951_782_400_999, "2000-02-29T00:00:00.999Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ] as [(UInt64, String)])
    func writesMilliseconds(milliseconds: WallMilliseconds, text: String) {
        #expect(Timestamp.text(milliseconds) == text)
    }

    @Test func writesWhatItReads() {
        for day in stride(from: 0 as UInt64, to: 2_932_896, by: 997) {
            let time = day * 86_400_000 + day % 86_400_000
            #expect(Timestamp.milliseconds(of: Timestamp.text(time)) == time)
        }
        #expect(Timestamp.text(1_795_622_011_123) == "2026-11-25T15:53:31.123Z")
        #expect(Timestamp.text(.max) == "9999-12-31T23:59:59.999Z")
    }

    @Test(
        arguments: [
            (0, "19700101T000000Z"), (1_767_323_045_123, "20260102T030405Z"), (951_782_400_000, "20000229T000000Z"),
            (1_709_251_199_000, "20240229T235959Z"), (4_102_444_800_000, "21000101T000000Z"),
        ] as [(WallMilliseconds, String)])
    func writesTheBasicForm(_ time: WallMilliseconds, _ text: String) { #expect(Timestamp.basic(time) == text) }

    @Test(
        arguments: [
            ("2026-01-02T03:04:05Z", 1_767_323_045_000), ("2026-01-02T03:04:05.123456Z", 1_767_323_045_123),
            ("2026-01-02T03:04:05+00:00", 1_767_323_045_000), ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2026-01-02T03:04:05", nil), ("2026-01-02T03:04:05+01:00", 1_767_319_445_000), ("2026-13-02T03:04:05Z", nil),
            ("2026-01-02T03:04:05.Z", nil), ("2026-01-02 03:04:05Z", nil), ("", nil), ("2026-01-02T24:04:05Z", nil),
        ] as [(String, WallMilliseconds?)])
    func readsISO8601(_ text: String, _ time: WallMilliseconds?) { #expect(Timestamp.milliseconds(of: text) == time) }

    @Test(
        arguments: [
            ("Fri, 02 Jan 2026 03:04:05 GMT", 1_767_323_045_000), ("Fri, 02 Jan 2026 03:04:05 CET", nil),
            ("Fri, 02 Foo 2026 03:04:05 GMT", nil), ("Fri, 02 Jan 2026 03:04 GMT", nil), ("yesterday", nil),
            ("Fri, -2 Jan 2026 03:04:05 GMT", nil),
        ] as [(String, WallMilliseconds?)])
    func readsDateHeaders(_ text: String, _ time: WallMilliseconds?) { #expect(Timestamp.milliseconds(ofHTTPDate: text) == time) }
}
