import Glibc

/// Text that a program is given in a file.
package enum TextFile {
    /// All of a file, or of a pipe that has a path.
    ///
    /// - Throws: why it cannot be taken: not readable, too large, not UTF-8.
    package static func read(_ path: String, maximumBytes: Int) throws(TextFileFailure) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw .unreadable(StreamFailure("cannot read \(path)", errno)) }
        defer { close(descriptor) }
        let region = UnsafeMutableRawBufferPointer.allocate(byteCount: maximumBytes + 1, alignment: 1)
        defer { region.deallocate() }
        let count: Int
        do throws(StreamFailure) {
            count = try StandardStream.read(descriptor, path, into: region)
        } catch {
            throw .unreadable(error)
        }
        guard count <= maximumBytes else { throw .tooLarge(path: path, maximumBytes: maximumBytes) }
        let bytes = UnsafeRawBufferPointer(rebasing: region[..<count])
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            let line = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
            throw .notUTF8(path: path, line: line + 1)
        }
        return text
    }
}

/// A file that is no text.
package enum TextFileFailure: Error, Equatable, CustomStringConvertible, Sendable {
    case unreadable(StreamFailure)
    case tooLarge(path: String, maximumBytes: Int)
    /// The first such line, from 1 on.
    case notUTF8(path: String, line: Int)

    package var description: String {
        switch self {
        case .unreadable(let failure): failure.description
        case .tooLarge(let path, let bytes): "\(path): expected at most \(Quantity.exact(Int64(bytes), .bytes)), got more"
        case .notUTF8(let path, let line): "\(path):\(line): expected UTF-8, got other bytes; save the file as UTF-8"
        }
    }
}
