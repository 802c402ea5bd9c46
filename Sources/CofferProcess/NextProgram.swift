import Glibc

/// A program that takes the place of this one: it is the same process, so signals reach it and its exit status is
/// ours, without anybody in between.
package enum NextProgram {
    /// Why it could not be started, with the exit status that shells give for it.
    package struct Failure: Error, Equatable, CustomStringConvertible, Sendable {
        package let description: String
        /// 127 = there is no such program, 126 = there is, and it does not start.
        package let exitCode: Int32
    }

    /// Sets a variable of this process and of the program to come.
    ///
    /// - Returns: false if the value has a NUL, which no variable can hold.
    package static func setVariable(_ name: String, _ value: UnsafeRawBufferPointer) -> Bool {
        guard !value.contains(0) else { return false }
        let text = UnsafeMutableRawBufferPointer.allocate(byteCount: value.count + 1, alignment: 1)
        defer {
            explicit_bzero(text.baseAddress!, text.count)
            text.deallocate()
        }
        text.copyMemory(from: value)
        text[value.count] = 0
        // An environment may have a name twice, and programs differ in which one they read.
        unsetenv(name)
        return setenv(name, text.assumingMemoryBound(to: CChar.self).baseAddress!, 1) == 0
    }

    /// Why the program surely would not start; nil if it is there. So nothing need be prepared for it in vain.
    ///
    /// - Parameter command: as for `start`.
    package static func obstacle(to command: [String]) -> Failure? {
        let program = command.first ?? ""
        // What execvp takes where PATH is not set.
        let path = getenv("PATH").map { String(cString: $0) } ?? "/bin:/usr/bin"
        let isLookedFor = !program.isEmpty && !program.contains("/")
        let folders = isLookedFor ? path.split(separator: ":", omittingEmptySubsequences: false) : [""]
        let errors = folders.map { access($0.isEmpty ? program : "\($0)/\(program)", X_OK) == 0 ? 0 : errno }
        guard !errors.contains(0), let last = errors.last else { return nil }
        return failure(errors.contains(EACCES) ? EACCES : last)
    }

    /// Starts it, and returns only if that fails.
    ///
    /// - Parameter command: the program, looked for in PATH unless it has a slash, and its arguments.
    package static func start(_ command: [String], with inherited: InheritedState) -> Failure {
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        guard let program = arguments[0] else { return Failure(description: "expected a command", exitCode: 126) }
        inherited.restore()
        execvp(program, &arguments)
        let number = errno
        signal(SIGPIPE, SIG_IGN)
        return failure(number)
    }

    private static func failure(_ number: Int32) -> Failure {
        let advice =
            number == E2BIG
            ? "its arguments and variables are too large together; give large credentials as files, with --file"
            : "check its name, its rights and PATH"
        return Failure(
            description: "the command does not start: \(String(cString: strerror(number))); \(advice)",
            exitCode: number == ENOENT ? 127 : 126)
    }
}
