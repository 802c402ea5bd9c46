import Foundation
import Logging
import Synchronization
import Testing

@testable import CofferDaemon

@Suite struct LineLogHandlerTests {
    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func append(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }
    }

    private let lines = Lines()

    private func logger(_ format: LineLogHandler.Format, level: Logger.Level = .trace) -> Logger {
        let lines = lines
        return Logger(label: "test") { _ in
            LineLogHandler(level: LogLevel(level), format: format, now: { 1_700_000_000_007 }) { lines.append($0) }
        }
    }

    @Test func textIsForPeople() {
        logger(.text).info("serving", metadata: ["vault": "embedded", "reactors": "2"])
        #expect(lines.all == ["2023-11-14T22:13:20.007Z info serving reactors=2 vault=embedded"])
    }

    @Test func jsonIsForPrograms() throws {
        logger(.json).error("vault unavailable", metadata: ["cause": "a \"b\"\n\\c\u{1b}"])
        #expect(
            lines.all == [
                #"{"time":"2023-11-14T22:13:20.007Z","level":"error","message":"vault unavailable","cause":"a \"b\"\u000a\\c\u001b"}"#
            ])
        let object = try JSONSerialization.jsonObject(with: Data(lines.all[0].utf8)) as? [String: String]
        #expect(object?["cause"] == "a \"b\"\n\\c\u{1b}")
    }

    /// Nobody begins a line of their own, or moves the cursor of a terminal.
    @Test(arguments: ["\n", "\r", "\r\n", "\0", "\u{7f}", "\u{85}", "\u{9b}", "\u{1b}[2J"])
    func controlCharactersAreEscaped(text: String) {
        logger(.text).info("a\(text)b", metadata: ["c": "d\(text)e"])
        #expect(lines.all.count == 1)
        #expect(!lines.all[0].unicodeScalars.contains { $0.properties.generalCategory == .control })
    }

    @Test(arguments: [
        ("", ""), ("plain ä 日本", "plain ä 日本"), ("\"", "\\\""), ("\\n", "\\\\n"), ("\t", "\\u0009"),
        ("\u{1f}", "\\u001f"), ("\u{9f}", "\\u009f"), ("\u{a0}", "\u{a0}"),
    ])
    func escapesAsJSON(text: String, escaped: String) {
        #expect(LineLogHandler.escape(text) == escaped)
    }

    @Test func keepsQuietBelowItsLevel() {
        logger(.text, level: .warning).info("not this")
        logger(.text, level: .warning).warning("this")
        #expect(lines.all.map { $0.hasSuffix(" warning this") } == [true])
    }

    @Test func theMessagesMetadataWinsOverTheLoggers() {
        var log = logger(.text)
        log[metadataKey: "a"] = "1"
        log[metadataKey: "b"] = "1"
        log.info("m", metadata: ["b": "2"])
        #expect(lines.all[0].hasSuffix(" info m a=1 b=2"))
    }
}
