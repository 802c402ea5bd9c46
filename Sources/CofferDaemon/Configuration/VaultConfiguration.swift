/// One vault as it is configured. `VaultSetting.all` names each value and its
/// rule, `VaultRules` what must hold between them; `backend` is what the rules
/// leave, without the values that this kind of vault has no use for.
package struct VaultConfiguration: Equatable, Sendable {
    /// What a vault on another host is reached through.
    package struct Transport: Equatable, Sendable {
        /// Ranges of addresses that a host's name must not lead to unless they are named.
        package enum Range: String, CaseIterable, Sendable {
            /// 127.0.0.0/8, ::1. Named by an address that is written so, too.
            case loopback
            /// 169.254.0.0/16, fe80::/10: where clouds keep the credentials of machines.
            case linkLocal = "link-local"
        }

        /// PEM; empty = the system's authorities.
        package var caFile = ""
        /// PEM, both or neither.
        package var clientCertificateFile = ""
        package var clientKeyFile = ""
        /// The name that the server's certificate must have; empty = the address's host.
        package var serverName = ""
        /// "http://host:port"; empty = none, whatever the environment says.
        package var proxy = ""
        /// Without TLS to hosts other than this one.
        package var allowHTTP = false
        package var allowAddresses: [Range] = []

        package init() {}
    }

    /// How the daemon logs in to HashiCorp Vault or OpenBao.
    package enum Authentication: String, CaseIterable, Sendable {
        case token, approle, kubernetes, jwt
        case tokenFile = "token-file"
    }

    /// The values of vaults of type `vault`.
    package struct HashiCorp: Equatable, Sendable {
        package var address = ""
        /// Addresses of the cluster's other nodes: each may be asked, and a redirect to it is followed.
        package var nodes: [String] = []
        package var mount = "secret"
        package var namespace = ""
        package var authentication: Authentication?
        /// Empty = the path that the method has by itself: its name.
        package var authenticationMount = ""
        package var tokenFile = ""
        package var role = ""
        package var roleID = ""
        package var secretIDFile = ""
        package var softDelete = false

        package init() {}
    }

    /// The values of vaults of type `aws`. Credentials come by AWS's own chain.
    package struct AWS: Equatable, Sendable {
        /// Empty = by AWS's own chain.
        package var region = ""
        /// Empty = the region's.
        package var endpoint = ""
        /// 0 = deleted at once; else 7 to 30.
        package var recoveryWindowDays = 0
        /// Empty = the account's own key for Secrets Manager.
        package var kmsKey = ""
        /// Empty = by AWS's own chain.
        package var profile = ""

        package init() {}
    }

    package let name: String
    package var type = VaultType.embedded
    package var format = VaultFormat.sealed
    /// What is read, in the order of `VaultFormat`; nil = by what is written.
    var acceptedFormats: [VaultFormat]?
    /// A record that lies there in one of these stays in it when it is stored again.
    package var keep: [VaultFormat] = []
    /// The first part of every name.
    package var prefix = "ai2-connectors"
    /// Records have the names that the guide's program gives them, as far as those are safe.
    package var literalNames = false
    /// Milliseconds that one read may take.
    package var timeoutMilliseconds = 5_000
    var concurrencyLimit: Int?
    var queueLimit: Int?
    package var transport = Transport()
    package var hashiCorp = HashiCorp()
    package var aws = AWS()
    /// By a `vaults` section, and not by `vault.type` or VAULT_TYPE.
    package var isNamed = true
    var places = Places()

    package init(name: String) { self.name = name }

    /// What is read.
    package var accept: [VaultFormat] { acceptedFormats ?? (type.isLocal ? [.sealed] : format.acceptedByDefault) }
    /// Calls that the vault works on at once.
    package var concurrency: Int { concurrencyLimit ?? (type.isLocal ? 1_024 : 64) }
    /// Calls that wait for one of them to end: twice what one uid may have waiting.
    package var queue: Int { queueLimit ?? 8_192 }
}

extension VaultConfiguration {
    /// By what is in force, whether it was said or is the default.
    package static func == (a: Self, b: Self) -> Bool {
        a.name == b.name && a.isNamed == b.isNamed
            && VaultSetting.all.allSatisfy { $0.show(a) == $0.show(b) }
    }
}

extension VaultConfiguration {
    /// A vault of each kind, with what its adapter needs.
    package enum Backend: Equatable, Sendable {
        /// - Parameter file: its name in the data folder.
        case embedded(file: String)
        case memory
        case vault(HashiCorp, Login, Transport)
        case aws(AWS, Transport)
    }

    /// A way to log in, with what it needs. Secrets are read when they are used.
    package enum Login: Equatable, Sendable {
        /// The token in `SecretVariables.vaultToken`.
        case token
        /// Read again at every login.
        case tokenFile(String)
        /// - Parameter secretIDFile: nil = the one in `SecretVariables.vaultSecretID`,
        ///   and without that, none: the role binds none.
        case appRole(roleID: String, secretIDFile: String?, mount: String)
        case kubernetes(role: String, tokenFile: String, mount: String)
        /// - Parameter role: empty = the mount's default role.
        case jwt(role: String, tokenFile: String, mount: String)
    }

    /// - Precondition: `VaultRules` found no mistake.
    package var backend: Backend {
        switch type {
        case .embedded: .embedded(file: isNamed ? "vault-\(name).db" : "vault.db")
        case .memory: .memory
        case .vault: .vault(hashiCorp, hashiCorp.login, transport)
        case .aws: .aws(aws, transport)
        }
    }

    /// For people: where it keeps records.
    ///
    /// - Parameter folder: for data.
    package func place(in folder: String) -> String {
        switch backend {
        case .embedded(let file): "\(folder)/\(file)"
        case .memory: "in memory only"
        case .vault(let values, _, _): values.address
        case .aws(let values, _):
            values.endpoint.isEmpty
                ? "AWS Secrets Manager" + (values.region.isEmpty ? "" : " in \(values.region)") : values.endpoint
        }
    }
}

extension VaultConfiguration.HashiCorp {
    /// Where Kubernetes lays the token of a pod's service account.
    package static let podTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"

    var login: VaultConfiguration.Login {
        let mount = authenticationMount.isEmpty ? authentication?.rawValue ?? "" : authenticationMount
        return switch authentication {
        case .token, nil: .token
        case .tokenFile: .tokenFile(tokenFile)
        case .approle:
            .appRole(roleID: roleID, secretIDFile: secretIDFile.isEmpty ? nil : secretIDFile, mount: mount)
        case .kubernetes:
            .kubernetes(
                role: role, tokenFile: tokenFile.isEmpty ? Self.podTokenFile : tokenFile, mount: mount)
        case .jwt: .jwt(role: role, tokenFile: tokenFile, mount: mount)
        }
    }
}
