import Coffer
import Glibc

@main
enum TenLines {
    static func main() async {
        let coffer = CofferClient()
        do {
            try await coffer.store(Credential("{\"api_key\":\"k-123\"}".utf8), user: "ada", connection: "mail")
            let record = try await coffer.credential(user: "ada", connection: "mail")
            print(record.credential.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
            print(record.version, record.source, record.age)
            try await coffer.delete(user: "ada", connection: "mail")
        } catch {
            print("coffer: \(error)")
            exit(1)
        }
    }
}
