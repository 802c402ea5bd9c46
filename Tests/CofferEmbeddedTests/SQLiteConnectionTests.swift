import CofferSQLite
import Foundation
import Testing

@Suite struct SQLiteConnectionTests {
    private let scratch = Scratch()

    init() throws { try scratch.makeFolder() }

    /// - Returns: the file's path.
    private func make(_ name: String, _ content: String = "") throws -> String {
        let path = "\(scratch.folder)/\(name)"
        try #require(FileManager.default.createFile(atPath: path, contents: Data(content.utf8)))
        return path
    }

    private func refusal(_ path: String, _ settings: SQLiteSettings = SQLiteSettings()) -> SQLiteError.Kind? {
        do throws(SQLiteError) {
            _ = try SQLiteConnection(path: path, settings: settings)
            return nil
        } catch {
            return error.kind
        }
    }

    @Test func aMissingFileIsNotMade() {
        let path = scratch.folder + "/none.db"
        #expect(refusal(path) == .denied)
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    /// Also where opening changes nothing.
    @Test(arguments: [true, false])
    func whatIsNoDatabaseIsRefusedAtOnce(setsJournalMode: Bool) throws {
        var settings = SQLiteSettings()
        settings.setsJournalMode = setsJournalMode
        let path = try make("text.db", String(repeating: "no database, but long enough ", count: 400))
        #expect(refusal(path, settings) == .damaged)
    }

    /// A path is no URI.
    @Test(arguments: ["a b.db", "a?mode=memory&vfs=none.db", "a%41#é.db"])
    func aFileMayHaveAnyName(name: String) throws {
        let path = try make(name)
        let connection = try SQLiteConnection(path: path, settings: SQLiteSettings())
        try connection.run { session throws(SQLiteError) in try session.execute("CREATE TABLE t (a INTEGER) STRICT") }
        try connection.close()
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)).starts(with: Array("SQLite format 3\0".utf8)))
    }

    @Test func aClosedConnectionSaysSo() throws {
        let connection = try SQLiteConnection(path: try make("a.db"), settings: SQLiteSettings())
        try connection.close()
        try connection.close()
        #expect(throws: SQLiteError(code: 21)) {
            try connection.run { session throws(SQLiteError) in try session.execute("SELECT 1") }
        }
    }

    /// What is in double quotes is a name, never a string.
    @Test func doubleQuotesAreNoStrings() throws {
        let connection = try SQLiteConnection(path: try make("a.db"), settings: SQLiteSettings())
        for sql in ["SELECT \"a\"", "CREATE TABLE t (a TEXT CHECK (a <> \"b\"))", "CREATE TABLE u (a TEXT); CREATE INDEX i ON u (\"b\")"] {
            var refusal: SQLiteError?
            do throws(SQLiteError) {
                try connection.run { session throws(SQLiteError) in try session.execute(sql) }
            } catch {
                refusal = error
            }
            #expect(refusal?.kind == .other, "\(sql)")
        }
    }

    /// A mistake of ours is an error, not a statement that does nothing.
    @Test(arguments: ["", "-- nothing", "SELEC 1", "SELECT * FROM nowhere"])
    func whatIsNoStatementIsRefused(sql: String) throws {
        let connection = try SQLiteConnection(path: try make("a.db"), settings: SQLiteSettings())
        #expect(throws: SQLiteError(code: 1)) {
            try connection.run { session throws(SQLiteError) in _ = try session.statement(once: sql) }
        }
    }
}
