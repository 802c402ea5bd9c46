internal import CofferCore
internal import CofferHTTP
internal import CofferVaultKit

/// The metadata server of an instance, a pod or a Cloud Run service: tokens of its service account.
struct GoogleMetadata: Sendable {
    private static let flavor = "Metadata-Flavor"

    let transports: CloudTransports
    let origin: HTTPOrigin
    let clock: any Clock
    let vault: String

    /// - Throws: INVALID_ARGUMENT for a variable with something else than a host and perhaps a port.
    init(
        _ dependencies: CloudDependencies, transports: CloudTransports, clock: any Clock, vault: String
    ) throws(Failure) {
        let variable = ["GCE_METADATA_HOST", "GCE_METADATA_ROOT"].first { dependencies.text($0) != nil }
        let host = variable.flatMap { dependencies.text($0) } ?? "metadata.google.internal"
        guard let origin = HTTPOrigin(address: "http://" + host) else {
            throw Failure(
                .invalidArgument, .badField, "\(variable ?? ""): expected a host and perhaps a port", vault: vault)
        }
        self.origin = origin
        self.transports = transports
        self.clock = clock
        self.vault = vault
    }

    func token(deadline: BootInstant) async throws(Failure) -> GoogleToken {
        let path = "/computeMetadata/v1/instance/service-accounts/default/token?scopes=\(PercentEncoding.text(GoogleLogin.scope))"
        let response: HTTPResponse
        do {
            response = try await transports.transport(to: CloudPlace(.local, origin)).send(
                HTTPRequest(.get, path, headers: [HTTPHeader(Self.flavor, "Google")]), deadline: deadline)
        } catch let error as HTTPError {
            throw .google(
                error, service: "the metadata server", at: "GCE_METADATA_HOST", vault: vault, writing: false, isSecure: true)
        } catch {
            throw error as? Failure ?? .internalError("the metadata server cannot be asked")
        }
        // The metadata server always sends it.
        guard response.headers[Self.flavor.lowercased()] == "Google" else {
            throw .googleCredentials(
                "another server than the metadata server answers at its address: the header \(Self.flavor) is missing; check GCE_METADATA_HOST and proxies on the way",
                vault: vault, code: .unavailable, retryable: true)
        }
        guard response.status == 200 else { throw refused(response) }
        guard let answer = try? JSON.parse(response.body), let token = GoogleTokenService.token(answer, nil, clock.wall)
        else {
            throw .googleCredentials(
                "the answer of the metadata server has no token in it", vault: vault, code: .unavailable, retryable: true)
        }
        return token
    }

    private func refused(_ response: HTTPResponse) -> Failure {
        guard response.status == 404 || response.status == 403 else {
            return Failure(
                .unavailable, .vaultFailed,
                "Google credentials: the metadata server gave no token (HTTP status \(response.status))", vault: vault,
                retryable: true, retryAfterMilliseconds: response.retryAfterMilliseconds)
        }
        return .googleCredentials(
            "the metadata server gives no token (HTTP status \(response.status)); attach a service account to this instance, "
                + "or bind the pod's one to it", vault: vault)
    }
}
