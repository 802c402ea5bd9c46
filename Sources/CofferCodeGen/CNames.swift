/// The names that protoc-c gives, made the way it makes them.
enum CNames {
    /// `coffer.v1.GetRequest` to `Coffer__V1__GetRequest`.
    static func type(_ fullName: String) -> String {
        parts(fullName).map(camelCase).joined(separator: "__")
    }

    /// `coffer.v1.GetRequest` to `coffer__v1__get_request__descriptor`.
    static func descriptor(_ fullName: String) -> String {
        (parts(fullName).map(lowercase) + ["descriptor"]).joined(separator: "__")
    }

    private static func parts(_ fullName: String) -> [Substring] { fullName.split(separator: ".") }

    /// Upper case at the start and after each underscore, which goes.
    private static func camelCase(_ part: Substring) -> String {
        part.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    /// An underscore before each upper-case letter but those that follow one.
    private static func lowercase(_ part: Substring) -> String {
        var result = ""
        var afterUpper = true
        for character in part {
            if character.isUppercase && !afterUpper { result += "_" }
            result += character.lowercased()
            afterUpper = character.isUppercase
        }
        return result
    }
}
