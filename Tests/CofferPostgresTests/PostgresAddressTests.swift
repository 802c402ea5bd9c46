import CofferCore
import Testing

@testable import CofferPostgres

@Suite struct PostgresAddressTests {
    private func summary(_ uri: String) throws -> String {
        let address = try PostgresAddress(Secret(uri))
        let hosts = address.hosts.map { "\($0.name):\($0.port)" }.joined(separator: ",")
        let password = address.password.map { $0.withUnsafeBytes { String(decoding: $0, as: UTF8.self) } }
        return [address.user, password ?? "-", hosts, address.database, address.sslMode ?? "-"].joined(separator: " ")
    }

    @Test(arguments: [
        ("postgres://u:p@h:5433/d", "u p h:5433 d -"),
        ("postgresql://u@h/d", "u - h:5432 d -"),
        // As Fly.io sets it.
        ("postgres://app:s3cret@app-db.flycast:5432/app?sslmode=disable", "app s3cret app-db.flycast:5432 app disable"),
        ("postgres://u:p%40%3A%2F@h/d", "u p@:/ h:5432 d -"),
        ("postgres://u:p:q@h/d", "u p:q h:5432 d -"),
        ("postgres://u:a@b@h/d", "u a@b h:5432 d -"),
        ("postgres://u:100%@h/d", "u 100% h:5432 d -"),
        ("postgres://u:@h/d", "u - h:5432 d -"),
        ("postgresql://u@a:1,b,c:3/d", "u - a:1,b:5432,c:3 d -"),
        ("postgresql://u@[::1]:6000/d", "u - ::1:6000 d -"),
        ("postgresql://u@[fe80::1]/d", "u - fe80::1:5432 d -"),
        ("postgresql://u@/d", "u - /var/run/postgresql:5432 d -"),
        ("postgresql:///d?user=u", "u - /var/run/postgresql:5432 d -"),
        ("postgresql://u@%2Ftmp%2Fs/d", "u - /tmp/s:5432 d -"),
        ("postgresql://u@/d?host=/tmp/s&port=5433", "u - /tmp/s:5433 d -"),
        ("postgresql://u@/?host=a,b&port=1,2&dbname=d", "u - a:1,b:2 d -"),
        ("postgresql://%C3%BC@h/d%20e?application_name=x", "ü - h:5432 d e -"),
    ])
    func addresses(uri: String, summary: String) throws { #expect(try self.summary(uri) == summary) }

    @Test(arguments: [
        "", "u@h/d", "http://u@h/d", "postgresql://", "postgresql://h/d", "postgresql://u@h", "postgresql://u@h/",
        "postgresql://u@h:0/d", "postgresql://u@h:65536/d", "postgresql://u@h:x/d", "postgresql://u@h:+1/d",
        "postgresql://u@a,,b/d", "postgresql://u@[::1/d", "postgresql://u@[::1]x/d", "postgresql://u@h/d?port=",
        "postgresql://u@a,b/d?port=1,x", "postgresql://u@a/d?port=5432,", "postgresql://u:p%00host%00elsewhere@h/d",
        "postgresql://u:%00@h/d",
        "postgresql://u@h/d?options=-c", "postgresql://u@h/d?password=p", "postgresql://u@h/d?sslrootcert=/x",
        "postgresql://u@h/d%00e", "postgresql://u@h/d%FF", "postgresql://u@h,i/d?port=1,2,3",
        "postgresql://u@\(Array(repeating: "h", count: 17).joined(separator: ","))/d",
        "postgresql://u@h/" + String(repeating: "d", count: 5_000),
    ])
    func refusals(uri: String) { #expect(throws: PostgresAddress.Mistake.self) { try PostgresAddress(Secret(uri)) } }

    @Test func aPasswordInTheConfigurationIsRefused() {
        #expect(throws: PostgresAddress.Mistake.self) { try PostgresAddress("postgresql://u:p@h/d") }
    }

    /// Whatever is in it, no mistake repeats what was given.
    @Test func mistakesTellNothing() {
        for uri in ["postgresql://u:s3cret@h:x/d", "s3cret", "postgresql://u:p@h/d?password=s3cret", "postgresql://:s3cret@h/d"] {
            do {
                _ = try PostgresAddress(Secret(uri))
                Issue.record("\(uri) is accepted")
            } catch {
                #expect(!error.text.contains("s3cret"))
            }
        }
    }
}
