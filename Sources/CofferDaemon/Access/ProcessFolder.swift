import CofferAccess
import CofferCrypto
import Glibc

/// What `/proc` says of a process. Its number may be another's by now: what is read is worth something only if the process
/// is found to live after that.
struct ProcessFolder {
    /// More than any control group's path has.
    private static let maximumTextBytes = 64 << 10
    /// A program that is larger is not read.
    static let maximumProgramBytes = 512 << 20

    private let path: String

    init(_ process: Int32) { path = "/proc/\(process)" }

    var controlGroup: Evidence<String> {
        guard let file = OpenFile(path + "/cgroup"), let bytes = file.bytes(atMost: Self.maximumTextBytes),
            let text = String(validating: bytes, as: UTF8.self), let path = ControlGroup.path(inFile: text)
        else { return .unproven }
        return .proven(path)
    }

    /// The file that the program was started from; absent if no path leads to it here: it was replaced or removed, or the
    /// process has other file systems.
    ///
    /// - Parameter needsDigest: whether what is in the file at a path is asked for.
    func executable(needsDigest: (String) -> Bool) -> Evidence<Caller.Executable> {
        guard let name = link(path + "/exe") else { return .unproven }
        guard let file = OpenFile(path + "/exe"), let status = file.status else { return .unproven }
        var named = stat()
        guard stat(name, &named) == 0, (named.st_dev, named.st_ino) == (status.st_dev, status.st_ino) else { return .absent }
        guard needsDigest(name) else { return .proven(Caller.Executable(path: name)) }
        return .proven(Caller.Executable(path: name, digest: digest(of: file, status.st_size)))
    }

    private func digest(of file: borrowing OpenFile, _ size: Int) -> Evidence<[UInt8]> {
        guard size <= Self.maximumProgramBytes, let digest = file.digest(atMost: Self.maximumProgramBytes) else { return .unproven }
        return .proven(digest)
    }

    private func link(_ path: String) -> String? {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = readlink(path, &target, target.count)
        guard count > 0, count < target.count else { return nil }
        return String(validating: target[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// A file that is read.
private struct OpenFile: ~Copyable {
    private let number: Int32

    init?(_ path: String) {
        number = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        if number < 0 { return nil }
    }

    deinit { close(number) }

    var status: stat? {
        var status = stat()
        return fstat(number, &status) == 0 ? status : nil
    }

    /// All of it; nil if it is larger, or cannot be read.
    func bytes(atMost limit: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        return read(atMost: limit) { bytes += $0 } ? bytes : nil
    }

    /// The SHA-256 of all of it; nil as for `bytes`.
    func digest(atMost limit: Int) -> [UInt8]? {
        var stream = DigestStream()
        return read(atMost: limit) { stream.add($0.span.bytes) } ? stream.finish() : nil
    }

    private func read(atMost limit: Int, _ take: (ArraySlice<UInt8>) -> Void) -> Bool {
        var (block, total) = ([UInt8](repeating: 0, count: 64 << 10), 0)
        while true {
            let count = Glibc.read(number, &block, block.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { return count == 0 }
            total += count
            guard total <= limit else { return false }
            take(block[..<count])
        }
    }
}
