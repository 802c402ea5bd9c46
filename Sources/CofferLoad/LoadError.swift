internal import Glibc

/// Why a run could not be carried to its end.
struct LoadError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }

    /// A system call failed; `doing` says which step of the run that was.
    static func system(_ doing: String, _ code: Int32 = errno) -> LoadError {
        LoadError("\(doing): \(String(cString: strerror(code)))")
    }
}
