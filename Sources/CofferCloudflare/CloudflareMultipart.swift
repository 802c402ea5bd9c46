internal import CofferCore

/// A body of the type multipart/form-data (RFC 7578), in memory that is wiped.
struct CloudflareMultipart {
    let contentType: String
    let body: Secret

    /// - Parameter boundary: a text of letters and digits that stands in no value, as nobody could foresee it.
    init(_ parts: [(name: String, value: Secret)], boundary: String) {
        func head(_ name: String) -> String {
            "--\(boundary)\r\nContent-Disposition: form-data; name=\"\(name)\"\r\n\r\n"
        }
        let end = "--\(boundary)--\r\n"
        let count = parts.reduce(end.utf8.count) { $0 + head($1.name).utf8.count + $1.value.count + 2 }
        body = SecretWriter.build(count: count) { writer in
            for part in parts {
                writer.append(head(part.name))
                writer.append(part.value)
                writer.append("\r\n")
            }
            writer.append(end)
        }
        contentType = "multipart/form-data; boundary=\(boundary)"
    }
}
