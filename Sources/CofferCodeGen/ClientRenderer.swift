/// The last stage for clients: a struct of stubs for each service, over
/// swift-protobuf's messages and the package's `CofferChannel`.
package struct ClientRenderer {
    private let visibility: String

    package init(visibility: GeneratorOptions.Visibility) { self.visibility = visibility.rawValue }

    /// The text of one file.
    package func render(_ file: FileModel) -> String {
        var writer = CodeWriter()
        writer.fileHead(source: file.path)
        for (index, service) in file.services.enumerated() {
            if index > 0 { writer.line() }
            stubs(service, &writer)
            writer.line()
            methods(service, &writer)
        }
        return writer.text
    }

    private func stubs(_ service: ServiceModel, _ writer: inout CodeWriter) {
        writer.documentation(
            service.documentation.isEmpty
                ? ["Calls the methods of `\(service.fullName)`."] : service.documentation)
        writer.block("\(visibility) struct \(service.swiftName)Client<Channel: CofferChannel>: Sendable") {
            $0.line("/// What carries the calls.")
            $0.line("\(visibility) let channel: Channel")
            $0.line()
            $0.line("/// - Parameter channel: what carries the calls.")
            $0.line("\(visibility) init(channel: Channel) { self.channel = channel }")
            for method in service.methods {
                $0.line()
                stub(method, of: service, &$0)
            }
        }
    }

    private func stub(_ method: MethodModel, of service: ServiceModel, _ writer: inout CodeWriter) {
        writer.documentation(
            method.documentation.isEmpty ? ["Calls `\(method.fullName)`."] : method.documentation)
        let result =
            method.streamsResponse
            ? "CofferResponses<\(method.response.swift)>" : "\(method.response.swift)"
        let effects = method.streamsResponse ? "" : " async throws"
        writer.nest("\(visibility) func \(method.swiftName)(", ")\(effects) -> \(result) {") {
            $0.line("_ request: \(method.request.swift), options: CofferCallOptions = CofferCallOptions()")
        }
        let call = method.streamsResponse ? "channel.responses(to:" : "try await channel.response(to:"
        writer.line("    \(call) request, of: \(service.swiftName)Methods.\(method.swiftName), options: options)")
        writer.line("}")
    }

    private func methods(_ service: ServiceModel, _ writer: inout CodeWriter) {
        writer.line("/// The methods of `\(service.fullName)`, as frames name them.")
        writer.block("\(visibility) enum \(service.swiftName)Methods") {
            for (index, method) in service.methods.enumerated() {
                if index > 0 { $0.line() }
                $0.line("/// `\(method.fullName)`")
                let types = "\(method.request.swift), \(method.response.swift)"
                $0.line("\(visibility) static let \(method.swiftName) = CofferMethod<\(types)>(")
                $0.line("    id: \(hexadecimal(method.id)), fullName: \"\(method.fullName)\")")
            }
        }
    }
}
