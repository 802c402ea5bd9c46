import Coffer
import CofferProcess

extension Credential {
    /// A member of a credential that is a JSON object.
    ///
    /// - Throws: FAILED_PRECONDITION saying why there is no such member, without a word of the credential.
    func member(_ name: String) throws -> Credential {
        do {
            return try withUnsafeBytes { bytes in try JSONMember.find(name, in: bytes) { Credential($0) } }
        } catch let failure as JSONMember.Failure {
            throw CofferError(.failedPrecondition, .unspecified, Self.text(failure))
        }
    }

    /// Makes it the value of a variable of the program to come.
    ///
    /// - Returns: false if it has a zero byte.
    func becomeVariable(_ name: String) -> Bool {
        withUnsafeBytes { NextProgram.setVariable(name, $0) }
    }

    /// Makes it a file in memory for the program to come.
    ///
    /// - Returns: whether the link at `path` is new.
    func becomeFile(_ path: String) throws(MemoryFile.Failure) -> Bool {
        try withUnsafeBytes { bytes throws(MemoryFile.Failure) in try MemoryFile.place(bytes, at: path) }
    }

    private static func text(_ failure: JSONMember.Failure) -> String {
        switch failure {
        case .notAnObject: "the credential is not a JSON object, so it has no fields; leave out the field to get all of it"
        case .absent: "the credential has no such field; check the field's name, capitals too"
        case .repeated: "the credential has that field more than once; store it again with the one that counts"
        case .null: "the credential's field is null; there is no value to give"
        }
    }
}
