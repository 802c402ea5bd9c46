package import CofferHTTP

extension HTTPURL {
    /// The server as a setting of kind `address` has it.
    package var address: String { "\(origin.isSecure ? "https" : "http")://\(origin.authority)" }

    /// The path without slashes at its end: what stands before the path of every call.
    package var root: String {
        var path = path[...]
        while path.last == "/" { path.removeLast() }
        return String(path)
    }
}
