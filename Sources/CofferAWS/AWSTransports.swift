internal import CofferCore
internal import CofferHTTP
internal import Synchronization

/// One transport for each place, made at its first use and kept.
final class AWSTransports: Sendable {
    private let make: @Sendable (AWSPlace) throws(Failure) -> any HTTPTransport
    private let made = Mutex<[AWSPlace: any HTTPTransport]>([:])

    init(_ dependencies: AWSDependencies) { make = dependencies.transport }

    func transport(to place: AWSPlace) throws(Failure) -> any HTTPTransport {
        try made.withLock { made throws(Failure) in
            if let transport = made[place] { return transport }
            let transport = try make(place)
            made[place] = transport
            return transport
        }
    }
}
