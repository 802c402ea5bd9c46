import Glibc

/// A file for the program that takes this one's place, in memory only: a descriptor that it inherits, and a symbolic
/// link that leads each process to its own descriptor of that number. Who has not inherited it finds nothing there, and
/// nothing is left once the last who has it ends, but the link.
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
        let descriptor = memfd_create("coffer", UInt32(MFD_ALLOW_SEALING))
        guard descriptor >= 0 else { throw .now }
        do throws(Failure) {
            try fill(descriptor, contents)
            if isLeftOver(path) { unlink(path) }
            guard symlink(target + String(descriptor), path) == 0 else { throw errno == EEXIST ? .taken : .now }
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Takes the link away again, where the program did not start after all.
    package static func remove(_ path: String) {
        if isLeftOver(path) { unlink(path) }
    }

    private static func fill(_ descriptor: Int32, _ contents: UnsafeRawBufferPointer) throws(Failure) {
        var rest = contents[...]
        while !rest.isEmpty {
            let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw .now }
            rest = rest.dropFirst(count)
        }
        // Nobody changes it any more, and only the owner reads it.
        let seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE
        guard fchmod(descriptor, 0o400) == 0, fcntl(descriptor, F_ADD_SEALS, seals) == 0, lseek(descriptor, 0, SEEK_SET) == 0
        else { throw .now }
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
