import Glibc

/// What the process was given: arguments and environment variables.
///
/// Swift repairs bytes that are not UTF-8, so that two names become one. Here they are
/// refused. Read both before there are other threads.
package enum ProcessInput {
    /// The arguments without the program's own name.
    ///
    /// - Throws: which one is not UTF-8.
    package static func arguments() throws(InvalidText) -> [String] {
        var result: [String] = []
        for index in 1..<max(1, Int(CommandLine.argc)) {
            guard let argument = CommandLine.unsafeArgv[index] else { break }
            result.append(try text(argument, "argument \(index)"))
        }
        return result
    }

    /// The value of an environment variable; nil if it is not set.
    ///
    /// - Throws: if it is not UTF-8.
    package static func variable(_ name: String) throws(InvalidText) -> String? {
        guard let value = getenv(name) else { return nil }
        return try text(value, name)
    }

    static func text(_ bytes: UnsafePointer<CChar>, _ place: String) throws(InvalidText) -> String {
        let region = UnsafeRawBufferPointer(start: bytes, count: strlen(bytes))
        guard let text = String(validating: region, as: UTF8.self) else { throw InvalidText(place: place) }
        return text
    }
}

/// An argument or a variable that is not UTF-8. Its bytes are never repeated.
package struct InvalidText: Error, Equatable, CustomStringConvertible, Sendable {
    /// "argument 3", "COFFER_SOCKET"
    package let place: String

    /// What was expected, and what to do.
    package var message: String { "expected UTF-8, got other bytes; check the encoding of the terminal or the script" }

    package var description: String { "\(place): \(message)" }
}
