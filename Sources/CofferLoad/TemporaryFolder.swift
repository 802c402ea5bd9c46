internal import Glibc

/// A new folder that goes with this value, and with it the files directly inside.
struct TemporaryFolder: ~Copyable {
    let path: String

    /// Where such folders belong.
    static var systemFolder: String { getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp" }

    init(in parent: String) throws(LoadError) {
        var template = Array((parent + "/coffer-load-XXXXXX").utf8CString)
        let made = template.withUnsafeMutableBufferPointer { mkdtemp($0.baseAddress!) != nil }
        guard made else { throw .system("cannot make a folder in \(parent)") }
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit { remove() }

    /// Removes it now. A second time does nothing.
    borrowing func remove() {
        guard let folder = opendir(path) else { return }
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { unlink(path + "/" + name) }
        }
        closedir(folder)
        rmdir(path)
    }
}
