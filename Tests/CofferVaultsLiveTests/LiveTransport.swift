import CofferCore
import CofferHTTP

private let engine = Result { () throws(Failure) in try HTTPEngine() }

/// The daemon's own client, to a server that a certificate file vouches for.
func liveTransport(address: String, ca: String) throws -> any HTTPTransport {
    var endpoint = HTTPEndpoint(origin: try HTTPOrigin(parsing: address))
    endpoint.authorityFile = ca
    return try engine.get().client(endpoint)
}
