internal import CSQLite

/// How a connection is opened.
package struct SQLiteSettings: Sendable {
    /// SQLite's layer to the operating system.
    ///
    /// `unix-excl` keeps other processes out for as long as a connection is
    /// open, and keeps the index of the log on the heap: no shared-memory file
    /// that another process could write. Unlike `locking_mode=EXCLUSIVE`, which
    /// promises the same, it lets further connections of this process in, so
    /// that a read does not wait for a commit's fsync. Over it, every connection
    /// has a layer of ours that joins the frames of the log: SQLite writes each in
    /// two calls, and so one commit is one write and one fsync.
    package var vfs = "unix-excl"
    /// How long to wait for a lock of another connection, in seconds.
    package var lockTimeoutSeconds: Double = 2
    /// False: the file keeps the journal that it has; for looking whose it is.
    package var setsJournalMode = true
    /// False: the connection refuses to write.
    package var writable = true
    /// The page cache, in KiB.
    package var cacheKibibytes = 4096
    /// The page of a file that is still empty, in bytes; one with content keeps its own.
    ///
    /// Replacing a record writes a page, and a sync takes the longer the more there is to
    /// write (8 KiB 0.19 ms, 36 KiB 0.25). To pages of 4 KiB, SQLite's own size, these
    /// measured 1.08 to 1.15 in Stores of 256 bytes to 2 KiB, 0.84 in Stores of 16 KiB,
    /// and 1.7 in the size of a file with records of 256 bytes.
    package var pageBytes = 1024
    /// The largest database, in bytes; nil = as large as the disk.
    package var maximumBytes: Int?
    /// The longest row, in bytes.
    package var maximumRowBytes: Int32 = 4 << 20

    package init() {}

    /// The heap limit is the process's: a bound, should a crafted file ask for more.
    /// FULL: the log is synced with every commit. Checkpoints are the caller's
    /// task: the automatic one swallows its errors.
    var pragmas: [String] {
        [
            "page_size = \(pageBytes)", "trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0",
            "secure_delete = ON", "synchronous = FULL", "temp_store = MEMORY",
            "hard_heap_limit = \(512 << 20)", "wal_autocheckpoint = 0",
            "journal_size_limit = \(16 << 20)", "cache_size = -\(cacheKibibytes)",
        ]
            + (writable ? [] : ["query_only = ON"])
    }

    /// What a file with a crafted schema could otherwise use.
    var switches: [(option: Int32, on: Bool)] {
        [
            (SQLITE_DBCONFIG_DEFENSIVE, true),
            (SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
            (SQLITE_DBCONFIG_ENABLE_VIEW, false),
            (SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, false),
            (SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
            // A mistyped column in double quotes would else be a string.
            (SQLITE_DBCONFIG_DQS_DML, false),
            (SQLITE_DBCONFIG_DQS_DDL, false),
        ]
    }

    /// Far above what our own statements need, far below what harms.
    var limits: [(limit: Int32, value: Int32)] {
        [
            (SQLITE_LIMIT_LENGTH, maximumRowBytes),
            (SQLITE_LIMIT_SQL_LENGTH, 100_000),
            (SQLITE_LIMIT_COLUMN, 100),
            (SQLITE_LIMIT_EXPR_DEPTH, 50),
            (SQLITE_LIMIT_COMPOUND_SELECT, 3),
            (SQLITE_LIMIT_VDBE_OP, 25_000),
            (SQLITE_LIMIT_FUNCTION_ARG, 8),
            (SQLITE_LIMIT_ATTACHED, 0),
            (SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
            (SQLITE_LIMIT_VARIABLE_NUMBER, 20),
            (SQLITE_LIMIT_TRIGGER_DEPTH, 1),
            (SQLITE_LIMIT_WORKER_THREADS, 0),
        ]
    }
}
