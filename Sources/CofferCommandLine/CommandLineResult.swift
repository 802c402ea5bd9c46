package import ArgumentParser
import CofferProcess

/// What a command line asks for.
package enum CommandLineResult {
    /// To be run; what it throws goes to `init(_:_:)`.
    case command(any ParsableCommand)
    /// Help or the version, for standard output.
    case text(String)
    /// A wrong command line: what is wrong, without the text of any argument, for that may
    /// be a credential; and how it would be right.
    case refused(message: String, usage: String)
    /// The command has said everything itself.
    case ended(code: Int32)

    /// Reads the arguments, which come from `ProcessInput`.
    package init(_ root: any ParsableCommand.Type, arguments: [String]) {
        do {
            let checked = Self.withoutClusters(arguments)
            let command = try root.parseAsRoot(checked)
            guard checked == arguments else { throw ValidationError.checked(RefusalText.unknownOption) }
            self = .command(command)
        } catch {
            self = Self(root, error, misspelled: Self.subcommand(meantBy: arguments, root))
        }
    }

    /// What was thrown while parsing, or by a command whose own errors were caught before.
    package init(_ root: any ParsableCommand.Type, _ error: any Error) { self.init(root, error, misspelled: nil) }

    /// - Parameter misspelled: the subcommand that was probably meant.
    private init(_ root: any ParsableCommand.Type, _ error: any Error, misspelled: String?) {
        if root.exitCode(for: error) == .success {
            self = .text(root.message(for: error))
        } else if let code = error as? ExitCode {
            self = .ended(code: code.rawValue)
        } else {
            let message = RefusalText.of(root, error) + (misspelled.map { "; did you mean \($0)?" } ?? "")
            self = .refused(message: message, usage: Self.usage(root.fullMessage(for: error)))
        }
    }

    /// `-hunter2` would be taken for `-h` and others. In its place stands an option that there is not, so that
    /// the parser says what is wrong there.
    private static func withoutClusters(_ arguments: [String]) -> [String] {
        let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
        return arguments.enumerated().map { index, argument in
            let isCluster = argument.hasPrefix("-") && !argument.hasPrefix("--") && argument.unicodeScalars.count > 2
            return index < end && isCluster ? "--no-such-option" : argument
        }
    }

    /// The subcommand that a word in its place was meant to be which is none; nil if none is near.
    private static func subcommand(meantBy arguments: [String], _ root: any ParsableCommand.Type) -> String? {
        let subcommands = root.configuration.subcommands
        guard !subcommands.isEmpty, let word = arguments.first, !word.hasPrefix("-"), word != "help" else { return nil }
        if let next = subcommands.first(where: { $0._commandName == word }) {
            return subcommand(meantBy: Array(arguments.dropFirst()), next)
        }
        return Spelling.nearest(to: word, among: subcommands.map { $0._commandName })
    }

    /// The end of the parser's message, which is made of our own words.
    private static func usage(_ message: String) -> String {
        let lines = message.split(separator: "\n", omittingEmptySubsequences: false)
        guard let start = lines.lastIndex(where: { $0.hasPrefix("Usage:") }) else { return "" }
        return lines[start...].joined(separator: "\n")
    }
}

/// The argument parser's messages without what they quote. Only what is known to hold
/// nothing of the arguments passes as it is.
enum RefusalText {
    static let unknownOption =
        "unknown option; it is not repeated here, as it may be a secret"
    private static let tooMany =
        "unexpected argument; it is not repeated here, as it may be a secret"

    static func of(_ root: any ParsableCommand.Type, _ error: any Error) -> String {
        let message = root.message(for: error)
        if message.first == ValidationError.mark { return String(message.dropFirst()) }
        if message.hasPrefix("Missing ") { return lowercased(message.prefix { $0 != "\n" }) }
        if message.hasPrefix("Unknown option ") || message.hasPrefix("Invalid option: ") {
            return unknownOption + suggestion(message, root.helpNames(for: error))
        }
        if message.hasPrefix("The value ") { return wrongValue(message, root.helpNames(for: error)) }
        if message.hasPrefix("The option ") { return "an option without a value was given one" }
        return tooMany
    }

    private static func lowercased(_ text: Substring) -> String { text.prefix(1).lowercased() + text.dropFirst() }

    /// "; did you mean --ttl?", if the parser says so and that is an option of ours.
    private static func suggestion(_ message: String, _ names: Set<String>) -> String {
        guard message.hasSuffix("'?"), let name = message.dropLast(2).split(separator: "'").last.map(String.init),
            names.contains(name)
        else { return "" }
        return "; did you mean \(name)?"
    }

    /// "… is invalid for '--size <size>'": the name, and the values it may have.
    private static func wrongValue(_ message: String, _ names: Set<String>) -> String {
        guard let tail = message.ranges(of: "' is invalid for '").last.map({ message[$0.upperBound...] }) else {
            return "an argument has a value that it cannot have"
        }
        let name = String(tail.prefix { $0 != " " && $0 != "'" })
        guard names.contains(name) else { return "an argument has a value that it cannot have" }
        return "\(name): expected \(expectation(tail.dropFirst(name.count)))"
    }

    /// By the value's name in the help: " <duration>'".
    private static func expectation(_ tail: Substring) -> String {
        switch tail.prefix(while: { $0 != "'" }) {
        case " <duration>": return "a duration such as 250ms, 5s or 1h"
        case " <size>": return "a size such as 512B, 64KiB or 1MiB"
        case " <count>", " <cpu>", " <seed>": return "a whole number"
        case " <share>", " <factor>": return "a number"
        default:
            let choices = tail.ranges(of: "Please provide one of ").last.map { tail[$0.upperBound...].prefix { $0 != "." } }
            return choices.map { "one of \($0)" } ?? "another value"
        }
    }
}

extension ParsableCommand {
    /// The long options that the help of the command in question shows.
    fileprivate static func helpNames(for error: any Error) -> Set<String> {
        var names: Set<String> = []
        for word in helpMessage().split(whereSeparator: { " ,[]()\n".contains($0) }) where word.hasPrefix("--") {
            names.insert(String(word))
        }
        for command in configuration.subcommands { names.formUnion(command.helpNames(for: error)) }
        return names
    }
}
