import CofferCore
import CofferVault
import Glibc
import Testing

@testable import CofferPostgres

/// What the libpq that is installed would take from the environment.
@Suite struct PostgresVariableTests {
    /// `PQconninfoOption` of libpq-fe.h: keyword, envvar, compiled, val, label, dispchar and dispsize.
    private static let size = 56

    /// Each option of libpq's that a variable gives is set, or the daemon does not start with that variable.
    @Test func everyVariableOfLibpqIsOverruledOrRefused() throws {
        let library = try #require(dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL))
        typealias Defaults = @convention(c) () -> UnsafeMutableRawPointer?
        let defaults = unsafeBitCast(try #require(dlsym(library, "PQconndefaults")), to: Defaults.self)
        var next = try #require(defaults())
        let options = try PostgresPlace.options()
        let text = options.link(to: options.hosts[0], password: Secret("p")).withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
        let parts = text.split(separator: "\0", omittingEmptySubsequences: false).map(String.init)
        // libpq takes an option with an empty value from the environment all the same.
        let given = Set(stride(from: 0, to: parts.count - 1, by: 2).filter { !parts[$0 + 1].isEmpty }.map { parts[$0] })
        var count = 0
        while let keyword = next.load(as: UnsafePointer<CChar>?.self) {
            if let variable = next.load(fromByteOffset: 8, as: UnsafePointer<CChar>?.self) {
                let (keyword, variable) = (String(cString: keyword), String(cString: variable))
                #expect(
                    given.contains(keyword) || PostgresSettings.foreignVariables.contains(variable),
                    "\(variable) gives \(keyword)")
                count += 1
            }
            next += Self.size
        }
        #expect(count > 20)
    }
}
