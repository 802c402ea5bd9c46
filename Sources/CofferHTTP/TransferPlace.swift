internal import CofferCore

/// Where requests of an endpoint go, worked out once for each origin.
final class TransferPlace: Sendable {
    let endpoint: HTTPEndpoint
    let target: HTTPOrigin
    let policy: AddressPolicy
    /// What stands before the path.
    let url: String
    /// What the Host header says; nil = libcurl's own.
    let host: String?
    /// Leads the name in `url` to the host of `target`; nil = it is that host.
    let detour: String?

    init(_ endpoint: HTTPEndpoint, _ target: HTTPOrigin) {
        self.endpoint = endpoint
        self.target = target
        policy = endpoint.addressPolicy(for: target)
        if let serverName = endpoint.serverName, target == endpoint.origin {
            url = HTTPOrigin(isSecure: target.isSecure, host: serverName, port: target.port).url
            host = target.authority
            detour = "\(serverName):\(target.port):\(target.authorityHost):\(target.port)"
        } else {
            (url, host, detour) = (target.url, nil, nil)
        }
    }
}
