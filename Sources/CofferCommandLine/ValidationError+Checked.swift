package import ArgumentParser

extension ValidationError {
    /// No argument can have this character, so no message of the argument parser begins with it.
    static let mark: Character = "\0"

    /// A wrong command line, found by a command's own `validate`.
    ///
    /// - Parameter text: is printed: it must hold no argument, unless it is a number.
    package static func checked(_ text: String) -> ValidationError { ValidationError(String(mark) + text) }
}
