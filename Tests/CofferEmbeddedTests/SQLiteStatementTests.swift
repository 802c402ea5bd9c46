import CofferSQLite
import Foundation
import Testing

@Suite struct SQLiteStatementTests {
    private let scratch = Scratch()
    private let connection: SQLiteConnection

    init() throws {
        try scratch.makeFolder()
        try #require(FileManager.default.createFile(atPath: scratch.path, contents: nil))
        connection = try SQLiteConnection(path: scratch.path, settings: SQLiteSettings())
    }

    private static let bytes = SQLiteQuery("SELECT ?1, ?2, typeof(?1), typeof(?2)")
    private static let noting = SQLiteQuery("SELECT coffer_note(value) FROM json_each(?1) ORDER BY key")

    /// Values are kept where the last of this index was if there is room, in a larger place
    /// if there is not, and by SQLite if they are long.
    @Test func whatIsBoundIsReadWhateverWasBoundBefore() throws {
        let sizes = [0, 1, 32, 560, 33, 0, 16 << 10, 16 << 10 + 1, 100, 1 << 20, 7]
        try connection.run { session throws(SQLiteError) in
            for (place, size) in sizes.enumerated() {
                let blob = (0..<size).map { UInt8(truncatingIfNeeded: $0 &+ place) }
                let text = String(repeating: "ä", count: sizes[sizes.count - 1 - place] / 2)
                let statement = try session.statement(Self.bytes)
                statement.bind(1, blob)
                statement.bind(2, text)
                // A value stays bound.
                for _ in 0..<2 {
                    try statement.scan {
                        #expect($0.blob(0) == blob)
                        #expect($0.text(1) == text)
                        // Empty is not NULL.
                        #expect($0.text(2) == "blob")
                        #expect($0.text(3) == "text")
                        return false
                    }
                }
            }
        }
    }

    @Test func emptyIsNotNullInANewStatement() throws {
        try connection.run { session throws(SQLiteError) in
            let statement = try session.statement(once: "SELECT typeof(?1), typeof(?2)")
            statement.bind(1, "")
            statement.bind(2, [])
            try statement.scan {
                #expect($0.text(0) == "text")
                #expect($0.text(1) == "blob")
                return false
            }
        }
    }

    /// A statement has its own values, and those of others stay.
    @Test func statementsDoNotShareValues() throws {
        try connection.run { session throws(SQLiteError) in
            let first = try session.statement(Self.bytes)
            let second = try session.statement(once: "SELECT ?1, ?2")
            first.bind(1, [1, 2, 3])
            first.bind(2, "first")
            second.bind(1, [4, 5, 6])
            second.bind(2, "other")
            for (statement, blob, text) in [(first, [1, 2, 3] as [UInt8], "first"), (second, [4, 5, 6], "other")] {
                try statement.scan {
                    #expect($0.blob(0) == blob)
                    #expect($0.text(1) == text)
                    return false
                }
            }
        }
    }

    @Test func theLastNoteOfAStatementIsTold() throws {
        try connection.run { session throws(SQLiteError) in
            let statement = try session.statement(Self.noting)
            for (list, last) in [("[1,2,3]", 3), ("[]", nil), ("[-9223372036854775808]", Int64.min)] as [(String, Int64?)] {
                statement.bind(1, list)
                #expect(try session.noted(by: statement) == last)
            }
        }
    }

    /// A schema may be somebody else's.
    @Test func notesAreForStatementsOnly() throws {
        var refusal: SQLiteError?
        do {
            try connection.run { session throws(SQLiteError) in
                // Without this nothing at all may be called from a schema.
                try session.execute("PRAGMA trusted_schema = ON; SELECT coffer_note(1)")
                try session.execute(
                    "CREATE TABLE t (a INTEGER DEFAULT (coffer_note(1)), b INTEGER); INSERT INTO t (b) VALUES (1)")
            }
        } catch {
            refusal = error
        }
        #expect(refusal?.kind == .other)
    }
}
