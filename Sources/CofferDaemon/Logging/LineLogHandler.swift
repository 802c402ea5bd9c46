import CofferVaultKit
package import Logging

/// Makes each log message one line: text for people,
/// JSON for programs. Control characters are escaped and lines cut, so that
/// nobody can forge a line.
package struct LineLogHandler: LogHandler {
    /// Text for people, JSON for programs.
    package enum Format: Sendable { case text, json }

    /// The longest message or value, in characters; the rest is cut away, so
    /// that a line stays what its format says it is.
    static let maximumFieldLength = 1_024

    /// That of all loggers, unless this one was given its own.
    package var logLevel: Logger.Level {
        get { ownLevel ?? level.current }
        set { ownLevel = newValue }
    }
    package var metadata: Logger.Metadata = [:]
    private let level: LogLevel
    private var ownLevel: Logger.Level?
    private let format: Format
    private let now: @Sendable () -> UInt64
    private let write: @Sendable (String) -> Void

    /// - Parameters:
    ///   - now: Unix milliseconds.
    ///   - write: gets each line, without its end; must not block.
    package init(
        level: LogLevel, format: Format, now: @escaping @Sendable () -> UInt64,
        write: @escaping @Sendable (String) -> Void
    ) {
        self.level = level
        self.format = format
        self.now = now
        self.write = write
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        write(line(event.level, "\(event.message)", metadata.merging(event.metadata ?? [:]) { $1 }))
    }

    /// What `log` writes for this message.
    package func line(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata) -> String {
        let fields = metadata.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        let time = Timestamp.text(now())
        var line: String
        switch format {
        case .text:
            line = "\(time) \(level.rawValue) \(Self.escape(message))"
            for (name, value) in fields { line += " \(name)=\(Self.escape(value))" }
        case .json:
            line =
                #"{"time":"\#(time)","level":"\#(level.rawValue)","message":"\#(Self.escape(message))""#
            for (name, value) in fields {
                line += #","\#(Self.escape(name))":"\#(Self.escape(value))""#
            }
            line += "}"
        }
        return line
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
}
