import CofferProcess

/// Rows for people and for programs.
enum Table {
    /// Columns as wide as what is in them.
    ///
    /// - Parameter rows: the heading first; all of the same length.
    static func text(_ rows: [[String]]) -> String {
        let rows = rows.map { $0.map(Printable.field) }
        let widths = (rows.first ?? []).indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).enumerated().map { index, cell in
                // The last one needs no room behind it.
                index == row.count - 1
                    ? cell.0 : cell.0 + String(repeating: " ", count: cell.1 - cell.0.count)
            }
            return cells.joined(separator: "  ") + "\n"
        }.joined()
    }

    /// Fields with a tab between them, and nothing else.
    static func fields(_ rows: [[String]]) -> String {
        rows.map { $0.map(Printable.field).joined(separator: "\t") + "\n" }.joined()
    }
}
