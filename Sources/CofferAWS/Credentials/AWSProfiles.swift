internal import CofferCore
internal import CofferVaultKit

/// One profile: members of both files.
struct AWSProfile: Sendable {
    let name: String
    /// Those of the credentials file cover those of the configuration file.
    fileprivate(set) var members: [String: Secret]

    /// A member; an empty one is as good as none.
    func secret(_ member: String) -> Secret? { members[member].flatMap { $0.count > 0 ? $0 : nil } }

    /// A member that is not secret.
    func text(_ member: String) -> String? { secret(member).flatMap(\.text) }
}

/// The shared files of AWS's own programs: `~/.aws/credentials` and `~/.aws/config`.
struct AWSProfiles: Sendable {
    static let maximumBytes = 1 << 20

    private let profiles: [String: AWSProfile]
    /// The profile to use, and whether somebody named it.
    let chosen: String
    let isNamed: Bool

    /// Variables, where the files are without them, and whether it is the one with profiles' settings.
    private static let files = [
        ("AWS_CONFIG_FILE", "~/.aws/config", true), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", false),
    ]

    /// As ``init(name:dependencies:vault:)``, without blocking the thread.
    static func read(
        name: String?, dependencies: AWSDependencies, vault: String, deadline: BootInstant
    ) async throws(Failure) -> AWSProfiles {
        var texts: [String: Secret] = [:]
        for (variable, place, _) in files {
            guard let path = dependencies.path(variable, default: place) else { continue }
            texts[path] = try await dependencies.fileLater(path, deadline)
        }
        return try AWSProfiles(name: name, dependencies: dependencies.with(files: texts), vault: vault)
    }

    /// - Parameter name: from the configuration; nil = by the environment.
    /// - Throws: for a file that cannot be read or understood, and for a named
    ///   profile that is not there.
    init(name: String?, dependencies: AWSDependencies, vault: String) throws(Failure) {
        let named = name ?? dependencies.text("AWS_DEFAULT_PROFILE") ?? dependencies.text("AWS_PROFILE")
        chosen = named ?? "default"
        isNamed = named != nil
        var profiles: [String: AWSProfile] = [:]
        for (variable, place, isConfiguration) in Self.files {
            guard let path = dependencies.path(variable, default: place),
                let text = try dependencies.file(path)
            else { continue }
            for section in try AWSProfileFile.sections(of: text, path: path, vault: vault) {
                guard let name = isConfiguration ? Self.profileName(section.name) : section.name else { continue }
                profiles[name, default: AWSProfile(name: name, members: [:])].members.merge(section.members) { $1 }
            }
        }
        self.profiles = profiles
        guard !isNamed || profiles[chosen] != nil else {
            throw Failure(
                .failedPrecondition, .vaultRefused,
                "the AWS profile \(AWSProfileFile.shown(chosen)) is in neither file; check its name, AWS_CONFIG_FILE "
                    + "and AWS_SHARED_CREDENTIALS_FILE", vault: vault, isUnsent: true)
        }
    }

    subscript(name: String) -> AWSProfile? { profiles[name] }

    var current: AWSProfile? { profiles[chosen] }

    /// "default", "profile name" or "profile \"a name\""; nil for other sections.
    private static func profileName(_ section: String) -> String? {
        if section == "default" { return section }
        guard section.hasPrefix("profile"), let next = section.dropFirst(7).first, next == " " || next == "\t" else {
            return nil
        }
        var name = section.dropFirst(7).drop { $0 == " " || $0 == "\t" }
        if name.count >= 2, let quote = name.first, quote == "\"" || quote == "'", name.last == quote {
            name = name.dropFirst().dropLast()
        }
        return String(name)
    }
}

/// A reader for the form of those files: `[section]`, `name = value`, comments
/// behind `#` or `;` at the start of a line. Indented lines belong to the member
/// before them and are passed over.
enum AWSProfileFile {
    struct Section {
        let name: String
        /// By name in lower case; of a repeated one the last.
        var members: [String: Secret] = [:]
    }

    /// - Throws: FAILED_PRECONDITION that names the line, never what is in it.
    static func sections(of text: Secret, path: String, vault: String) throws(Failure) -> [Section] {
        func refuse(_ why: String) -> Failure {
            Failure(.failedPrecondition, .vaultRefused, "\(path): \(why)", vault: vault, isUnsent: true)
        }
        guard text.count <= AWSProfiles.maximumBytes else {
            throw refuse("has \(text.count) bytes, at most \(AWSProfiles.maximumBytes) are read")
        }
        return try text.withBytes { bytes throws(Failure) in
            guard bytes.isUTF8 else { throw refuse("is not UTF-8") }
            var sections: [Section] = []
            var start = 0
            var number = 0
            while start < bytes.byteCount {
                number += 1
                var end = start
                while end < bytes.byteCount, bytes.byte(at: end) != UInt8(ascii: "\n") { end += 1 }
                guard read(bytes.extracting(start..<end), into: &sections) else {
                    throw refuse("line \(number): expected [section], name = value, or a comment")
                }
                start = end + 1
            }
            return sections
        }
    }

    /// False for a line that is none of these.
    private static func read(_ line: RawSpan, into sections: inout [Section]) -> Bool {
        let whole = trim(line, 0..<line.byteCount)
        guard let first = whole.first.map({ line.byte(at: $0) }) else { return true }
        if first == UInt8(ascii: "#") || first == UInt8(ascii: ";") { return true }
        if isSpace(line.byte(at: 0)) { return !sections.isEmpty }
        if first == UInt8(ascii: "[") {
            guard let close = whole.first(where: { line.byte(at: $0) == UInt8(ascii: "]") }),
                let name = text(line, trim(line, whole.lowerBound + 1..<close)), !name.isEmpty
            else { return false }
            sections.append(Section(name: name))
            return true
        }
        guard !sections.isEmpty, let equals = whole.first(where: { line.byte(at: $0) == UInt8(ascii: "=") }),
            let name = text(line, trim(line, whole.lowerBound..<equals)), !name.isEmpty
        else { return false }
        let value = Secret(copying: line.extracting(trim(line, equals + 1..<whole.upperBound)))
        sections[sections.count - 1].members[name.lowercased()] = value
        return true
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

    private static func trim(_ line: RawSpan, _ range: Range<Int>) -> Range<Int> {
        var (low, high) = (range.lowerBound, range.upperBound)
        while low < high, isSpace(line.byte(at: low)) { low += 1 }
        while high > low, isSpace(line.byte(at: high - 1)) { high -= 1 }
        return low..<high
    }

    private static func text(_ line: RawSpan, _ range: Range<Int>) -> String? {
        var cursor = ByteCursor()
        return cursor.text(count: range.count, in: line.extracting(range))
    }

    /// A name of a profile, made fit for a message.
    static func shown(_ name: String) -> String {
        name.utf8.count <= 64 && !name.utf8.containsControlCharacter
            ? "\"\(name)\"" : "(a name of \(name.utf8.count) bytes)"
    }
}
