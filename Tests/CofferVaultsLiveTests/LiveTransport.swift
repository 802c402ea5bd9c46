import CofferCore
import CofferHTTP
import Foundation

private let engine = Result { () throws(Failure) in try HTTPEngine.started() }

private struct NoAddress: Error {}

/// The daemon's own client.
///
/// - Parameter ca: the certificate file that vouches for the server; nil = it has none, on this host.
func liveTransport(address: String, ca: String?) throws -> any HTTPTransport {
    guard let url = URL(string: address), let host = url.host, let port = url.port.flatMap(UInt16.init(exactly:)) else {
        throw NoAddress()
    }
    var endpoint = HTTPEndpoint(origin: HTTPOrigin(isSecure: url.scheme == "https", host: host, port: port))
    endpoint.authorityFile = ca
    return try engine.get().client(endpoint)
}
