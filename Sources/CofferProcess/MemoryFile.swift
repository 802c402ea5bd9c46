import CLinux
import Glibc

/// A file for the program that takes this one's place, in memory only: a descriptor that it inherits, and a symbolic
/// link that leads each process to its own descriptor of that number. A process that has not inherited it
/// finds nothing there. Once the last process that has it ends, only the link is left.
package enum MemoryFile {
    /// Why there is no such file, as the end of a sentence that begins with the path.
    package enum Failure: Error, Equatable, CustomStringConvertible, Sendable {
        /// Something is at the path already.
        case taken
        case system(String)

        package var description: String {
            switch self {
            case .taken: "is there already; expected a path that is free; move what is there away"
            case .system(let text): "cannot be made: \(text); check the folder and its rights"
            }
        }
    }

    private static let target = "/proc/self/fd/"

    /// Makes the file and the link at `path`. A link that an earlier run left there is replaced, and nothing else.
    package static func place(_ contents: UnsafeRawBufferPointer, at path: String) throws(Failure) {
        let descriptor = coffer_memory_file(contents.baseAddress, contents.count)
        guard descriptor >= 0 else { throw .now }
        if isLeftOver(path) { unlink(path) }
        guard symlink(target + String(descriptor), path) == 0 else {
            let failure = errno == EEXIST ? Failure.taken : .now
            close(descriptor)
            throw failure
        }
    }

    /// Takes the link away again, where the program did not start after all.
    package static func remove(_ path: String) {
        if isLeftOver(path) { unlink(path) }
    }

    /// Whether there is a link as we make them.
    private static func isLeftOver(_ path: String) -> Bool {
        var text = [UInt8](repeating: 0, count: target.utf8.count + 11)
        let count = text.withUnsafeMutableBytes { readlink(path, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count) }
        return count > target.utf8.count && text.starts(with: target.utf8)
            && text[target.utf8.count..<count].allSatisfy { (0x30...0x39).contains($0) }
    }
}

extension MemoryFile.Failure {
    fileprivate static var now: Self { .system(String(cString: strerror(errno))) }
}
