import CLinux
import Glibc

/// A file for the program that takes this one's place, in memory only: a descriptor that it inherits, and a symbolic
/// link that leads each process to its own descriptor of that number. A process that has not inherited it
/// finds there what it has under that number itself, most often nothing. Once the last process that has it
/// ends, only the link is left.
///
/// A link that is there already is used as it is, with the number that it names: a program of an earlier run may still
/// read by it.
package enum MemoryFile {
    /// Why there is no such file, as the end of a sentence that begins with the path.
    package enum Failure: Error, Equatable, CustomStringConvertible, Sendable {
        /// Something is at the path already.
        case taken
        /// The link at the path names a descriptor that this process has for something else.
        case occupied(Int32)
        case system(String)

        package var description: String {
            switch self {
            case .taken: "is there already; expected a path that is free; move what is there away"
            case .occupied(let number):
                "leads to descriptor \(number), which is in use; expected each file once; if no running program reads by "
                    + "this link, remove it"
            case .system(let text): "cannot be made: \(text); check the folder and its rights"
            }
        }
    }

    private static let target = "/proc/self/fd/"
    /// Descriptors from here on are for files; those below are the program's own.
    private static let numbers: Range<Int32> = 64..<960

    /// Makes the file, and the link at `path` unless one is there.
    ///
    /// - Returns: whether the link is new.
    package static func place(_ contents: UnsafeRawBufferPointer, at path: String) throws(Failure) -> Bool {
        if let number = number(at: path) {
            try place(contents, under: number)
            return false
        }
        let number = freeNumber(for: path)
        try place(contents, under: number)
        guard symlink(target + String(number), path) == 0 else {
            let failure = errno == EEXIST ? Failure.taken : .now
            close(number)
            // Another program may have made its link a moment ago.
            guard failure == .taken, let other = self.number(at: path) else { throw failure }
            try place(contents, under: other)
            return false
        }
        return true
    }

    /// Takes a link away again, where the program did not start after all.
    package static func remove(_ path: String) {
        if number(at: path) != nil { unlink(path) }
    }

    private static func place(_ contents: UnsafeRawBufferPointer, under number: Int32) throws(Failure) {
        guard fcntl(number, F_GETFD) < 0 else { throw .occupied(number) }
        let descriptor = coffer_memory_file(contents.baseAddress, contents.count)
        guard descriptor >= 0 else { throw .now }
        guard descriptor != number else { return }
        defer { close(descriptor) }
        guard dup2(descriptor, number) == number else { throw .now }
    }

    /// By the file's name, so that runs with other files hardly ever choose the same.
    private static func freeNumber(for path: String) -> Int32 {
        var hash: UInt32 = 2_166_136_261
        for byte in path.utf8.reversed().prefix(while: { $0 != UInt8(ascii: "/") }) { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        // A low limit leaves no room for numbers of their own.
        let first = limit.rlim_cur > numbers.upperBound ? numbers.lowerBound + Int32(hash % UInt32(numbers.count)) : 10
        return (first...).first { fcntl($0, F_GETFD) < 0 }!
    }

    /// What a link as we make them names; nil if there is no such link.
    private static func number(at path: String) -> Int32? {
        var text = [UInt8](repeating: 0, count: target.utf8.count + 11)
        let count = text.withUnsafeMutableBytes { readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count) }
        guard count > target.utf8.count, text.starts(with: target.utf8) else { return nil }
        let digits = text[target.utf8.count..<count]
        guard digits.allSatisfy({ (0x30...0x39).contains($0) }), digits.count == 1 || digits.first != 0x30 else { return nil }
        return Int32(String(decoding: digits, as: UTF8.self))
    }
}

extension MemoryFile.Failure {
    fileprivate static var now: Self { .system(String(cString: strerror(errno))) }
}
