/// The methods of a service, as frames name them, and a class of stubs for them.
struct TypeScriptStubs {
    /// The package of the messages, for instance `coffer.v1`.
    let package: String

    func render(_ service: ServiceModel, _ writer: inout CodeWriter) {
        writer.line()
        methods(service, &writer)
        writer.line()
        writer.comment(
            service.documentation.isEmpty ? ["Calls the methods of `\(service.fullName)`."] : service.documentation)
        writer.block("export class \(service.name)Client") {
            $0.line("constructor(private readonly channel: Channel) {}")
            for method in service.methods {
                $0.line()
                stub(method, of: service, &$0)
            }
        }
    }

    private func methods(_ service: ServiceModel, _ writer: inout CodeWriter) {
        writer.comment(["The methods of `\(service.fullName)`."])
        writer.nest("export const \(service.name)Methods = {", "};") {
            for method in service.methods {
                let (request, response) = (local(method.request), local(method.response))
                $0.nest("\(Self.name(method)): {", "} as Method<\(request), \(response)>,") {
                    $0.line("id: 0x\(padded(method.id)),")
                    $0.line("fullName: \"\(method.fullName)\",")
                    $0.line("encode: encode\(request),")
                    $0.line("decode: decode\(response),")
                    $0.line("streamsResponse: \(method.streamsResponse),")
                }
            }
        }
    }

    private func stub(_ method: MethodModel, of service: ServiceModel, _ writer: inout CodeWriter) {
        let (request, response) = (local(method.request), local(method.response))
        writer.comment(method.documentation.isEmpty ? ["Calls `\(method.fullName)`."] : method.documentation)
        let result = method.streamsResponse ? "AsyncIterable<\(response)>" : "Promise<\(response)>"
        writer.block("\(Self.name(method))(request: Partial<\(request)>, options?: CallOptions): \(result)") {
            let call = method.streamsResponse ? "responses" : "response"
            $0.line("return this.channel.\(call)(\(service.name)Methods.\(Self.name(method)), request, options);")
        }
    }

    private static func name(_ method: MethodModel) -> String {
        method.name.prefix(1).lowercased() + method.name.dropFirst()
    }

    private func local(_ type: TypeNames) -> String {
        let prefix = package.isEmpty ? "" : package + "."
        let name = type.proto.hasPrefix(prefix) ? type.proto.dropFirst(prefix.count) : type.proto[...]
        return String(name.map { $0 == "." ? "_" : $0 })
    }

    private func padded(_ id: UInt32) -> String {
        let digits = String(id, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }
}
