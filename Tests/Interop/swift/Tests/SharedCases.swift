import FoundationEssentials

/// The text of Tests/Interop/cases.txt.
func sharedCases() throws -> String {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    return try String(decoding: Data(contentsOf: folder.appending(path: "cases.txt")), as: UTF8.self)
}
