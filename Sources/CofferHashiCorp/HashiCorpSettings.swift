internal import CofferHTTP
internal import CofferVaultKit

/// Settings of vaults of type `vault` beside those of every vault by HTTP.
enum HashiCorpSettings {
    /// How the daemon logs in.
    enum Authentication: String, CaseIterable, Sendable {
        case token, approle, kubernetes, jwt
        case tokenFile = "token-file"
    }

    static let address = VaultSetting<String>(
        "address", .address, .value(""), variables: variables("ADDR"), unset: "required",
        summary: "Where it is: https:// in any case, with a host and, where that is not 443, a port")
    static let nodes = VaultSetting<[String]>(
        "nodes", .addresses("at most 16", maximum: 16), .value([]),
        summary:
            "The cluster's other nodes. Each of them is asked when another does not answer, and a redirect to it is followed; the token goes along")
    static let mount = VaultSetting<String>(
        "mount", .path, .value("secret"), summary: "The mount of the KV engine")
    static let namespace = VaultSetting<String>(
        "namespace", .path, .value(""), variables: variables("NAMESPACE"),
        summary: "The namespace. `admin/` is `admin`")
    static let auth = VaultSetting<Authentication?>(
        "auth", .optionalChoice(), .value(nil), unset: "required",
        summary: "The way to log in. `token` uses `$VAULT_TOKEN`, which one vault only can have")
    static let authMount = VaultSetting<String>(
        "auth_mount", .path, .value(""), unset: "the name of `auth`",
        summary: "Where that way to log in is mounted")
    static let tokenFile = VaultSetting<String>(
        "token_file", .absoluteFile, .value(""), variables: variables("TOKEN_FILE"), unset: "kubernetes: the pod's",
        summary: "The file with the token of `token-file`, `kubernetes` or `jwt`, read at every login")
    static let role = VaultSetting<String>(
        "role", .text(), .value(""), summary: "The role of `kubernetes`, required, or `jwt`")
    static let roleID = VaultSetting<String>(
        "role_id", .text(), .value(""), variables: variables("ROLE_ID"), summary: "The role id of `approle`")
    static let secretIDFile = VaultSetting<String>(
        "secret_id_file", .absoluteFile, .value(""), variables: variables("SECRET_ID_FILE"),
        summary:
            "The file with the secret id of `approle`. Without it `$VAULT_SECRET_ID` is used, by one vault only")
    static let softDelete = VaultSetting<Bool>(
        "soft_delete", .flag, .value(false),
        summary: "Delete the newest version only, so that it can be undeleted",
        risk: "What was deleted is still there")

    static let all = [
        address.erased, nodes.erased, mount.erased, namespace.erased, auth.erased, authMount.erased,
        tokenFile.erased, role.erased, roleID.erased, secretIDFile.erased, softDelete.erased,
    ]

    /// Where Kubernetes lays the token of a pod's service account.
    static let podTokenFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"

    static let tokenVariables = variables("TOKEN")
    static let secretIDVariables = variables("SECRET_ID")

    /// OpenBao's variable wins where it is there, as its own tools have it.
    private static func variables(_ name: String) -> [String] { ["BAO_" + name, "VAULT_" + name] }
}

extension AnyVaultSetting {
    /// With the variable that Vault's own tools have for it.
    var withVaultsVariables: AnyVaultSetting {
        let names = [
            "ca_file": "CACERT", "client_certificate_file": "CLIENT_CERT", "client_key_file": "CLIENT_KEY",
            "server_name": "TLS_SERVER_NAME",
        ]
        return names[name].map { adding(variables: ["BAO_" + $0, "VAULT_" + $0]) } ?? self
    }
}
