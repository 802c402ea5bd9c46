import CofferProcess
import Foundation
import Testing

@Suite struct TextFileTests {
    private func reading(_ bytes: [UInt8], maximumBytes: Int = 10) throws -> Result<String, TextFileFailure> {
        let path = FileManager.default.temporaryDirectory.appending(path: "text-\(UUID())").path
        try Data(bytes).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        return Result { () throws(TextFileFailure) in try TextFile.read(path, maximumBytes: maximumBytes) }
            .mapError { failure in
                switch failure {
                case .tooLarge(path, let limit): .tooLarge(path: "F", maximumBytes: limit)
                case .notUTF8(path, let line): .notUTF8(path: "F", line: line)
                default: failure
                }
            }
    }

    @Test func aFileIsReadUpToItsLimit() throws {
        #expect(try reading([]) == .success(""))
        #expect(try reading(Array("0123456789".utf8)) == .success("0123456789"))
        #expect(try reading(Array("0123456789a".utf8)) == .failure(.tooLarge(path: "F", maximumBytes: 10)))
        #expect("\(TextFileFailure.tooLarge(path: "F", maximumBytes: 1 << 20))" == "F: expected at most 1MiB, got more")
    }

    @Test func otherBytesAreRefusedInTheirLine() throws {
        #expect(try reading([0x61, 0x0a, 0x0a, 0xe9, 0x0a]) == .failure(.notUTF8(path: "F", line: 3)))
        #expect("\(TextFileFailure.notUTF8(path: "F", line: 3))" == "F:3: expected UTF-8, got other bytes; save the file as UTF-8")
    }

    @Test func whatIsNotThereSaysWhy() {
        do throws(TextFileFailure) {
            _ = try TextFile.read("/nowhere/p", maximumBytes: 10)
            Issue.record("it was read")
        } catch {
            #expect("\(error)" == "cannot read /nowhere/p: No such file or directory")
        }
        do throws(TextFileFailure) {
            _ = try TextFile.read("/", maximumBytes: 10)
            Issue.record("it was read")
        } catch {
            #expect("\(error)" == "cannot read /: Is a directory")
        }
    }
}
