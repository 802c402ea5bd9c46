/// What somebody may have meant who typed a word that there is not.
enum Spelling {
    /// The nearest of the words, if one is near at all.
    static func nearest(to typed: String, among words: some Sequence<String>) -> String? {
        let nearest = words.map { ($0, distance($0, typed)) }.min { $0.1 < $1.1 }
        return nearest.flatMap { $0.1 <= 1 + typed.count / 4 ? $0.0 : nil }
    }

    /// An unknown name as an error may show it: what does not look like one may be a credential at the wrong place.
    static func shown(_ name: String) -> String {
        let isPlain = name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { part in
            part.utf8.count <= 32
                && part.utf8.allSatisfy { ($0 | 0x20) >= 97 && ($0 | 0x20) <= 122 || (48...57).contains($0) || $0 == 95 || $0 == 45 }
        }
        return isPlain ? name : "(a name of \(name.utf8.count) bytes)"
    }

    /// Levenshtein's edit distance.
    static func distance(_ a: String, _ b: String) -> Int {
        let a = Array(a.utf8)
        let b = Array(b.utf8)
        var row = Array(0...b.count)
        for i in a.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                let cost = min(row[j] + 1, row[j + 1] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
                diagonal = row[j + 1]
                row[j + 1] = cost
            }
        }
        return row[b.count]
    }
}
