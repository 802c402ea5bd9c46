/// The closest known word, for typing errors.
package enum Spelling {
    /// The nearest of the words, if one is near at all.
    package static func nearest(to typed: String, among words: some Sequence<String>) -> String? {
        let nearest = words.map { ($0, distance($0, typed)) }.min { $0.1 < $1.1 }
        return nearest.flatMap { $0.1 <= 1 + typed.count / 4 ? $0.0 : nil }
    }

    /// An unknown name as an error may show it: what does not look like one may be a credential at the wrong place.
    package static func shown(_ name: String) -> String {
        let isPlain = name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
            part.utf8.count <= 32
                && part.utf8.allSatisfy { ($0 | 0x20) >= 97 && ($0 | 0x20) <= 122 || (48...57).contains($0) || $0 == 95 || $0 == 45 }
        }
        return isPlain ? name : "(a name of \(name.utf8.count) bytes)"
    }

    /// How many letters to insert, remove, replace, or exchange with their neighbour make one of the other.
    package static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.utf8)
        let b = Array(b.utf8)
        // Of the row for the letters of `a` so far, and of the two before it.
        var rows = [Array(0...b.count), Array(0...b.count), Array(0...b.count)]
        for i in a.indices {
            var row = [i + 1]
            for j in b.indices {
                var cost = min(row[j] + 1, rows[0][j + 1] + 1, rows[0][j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, rows[1][j - 1] + 1) }
                row.append(cost)
            }
            rows = [row, rows[0], rows[1]]
        }
        return rows[0][b.count]
    }
}
