package import Logging
import Glibc

/// Writes each log message as one line to standard error: text for people,
/// JSON for programs. Control characters are escaped and lines cut, so that
/// nobody can forge a line.
package struct LineLogHandler: LogHandler {
    /// Text for people, JSON for programs.
    package enum Format: Sendable { case text, json }

    /// The longest message or value, in characters; the rest is cut away, so
    /// that a line stays what its format says it is.
    static let maximumFieldLength = 1_024

    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    private let format: Format
    private let now: @Sendable () -> UInt64
    private let write: @Sendable (String) -> Void

    /// - Parameter now: Unix milliseconds.
    package init(
        level: Logger.Level, format: Format, now: @escaping @Sendable () -> UInt64,
        write: @escaping @Sendable (String) -> Void = LineLogHandler.toStandardError
    ) {
        logLevel = level
        self.format = format
        self.now = now
        self.write = write
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { $1 }.sorted { $0.key < $1.key }
            .map { ($0.key, "\($0.value)") }
        let time = Self.timestamp(now())
        var line: String
        switch format {
        case .text:
            line = "\(time) \(event.level.rawValue) \(Self.escape("\(event.message)"))"
            for (name, value) in fields { line += " \(name)=\(Self.escape(value))" }
        case .json:
            line =
                #"{"time":"\#(time)","level":"\#(event.level.rawValue)","message":"\#(Self.escape("\(event.message)"))""#
            for (name, value) in fields {
                line += #","\#(Self.escape(name))":"\#(Self.escape(value))""#
            }
            line += "}"
        }
        write(line)
    }

    package static func toStandardError(_ line: String) {
        var bytes = Array(line.utf8)
        bytes.append(10)
        bytes.withUnsafeBytes { _ = Glibc.write(2, $0.baseAddress, $0.count) }
    }

    /// As in JSON strings; also for text, so that a message stays on its line.
    static func escape(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars.prefix(maximumFieldLength) {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\u{0}"..."\u{1f}", "\u{7f}"..."\u{9f}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// RFC 3339, UTC, milliseconds.
    static func timestamp(_ milliseconds: UInt64) -> String {
        var seconds = time_t(milliseconds / 1_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: some BinaryInteger, _ width: Int) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(parts.tm_year + 1_900)-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        let time = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(date)T\(time).\(padded(milliseconds % 1_000, 3))Z"
    }
}
