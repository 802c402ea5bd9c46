import CofferProcess
import CofferVaultKit
import CofferYAML

/// Reads `routes:`, a list of mappings from patterns to a vault.
enum RoutesSection {
    static let maximumRoutes = 1_024
    private static let keys = ["user", "connection", "vault"]

    /// - Parameters:
    ///   - node: nil = there is none; one vault then has all records.
    ///   - place: where the vaults are, for what is missing.
    static func read(
        _ node: YAMLNode?, vaults: [VaultConfiguration], place: String, _ mistakes: inout ConfigurationDiagnostics
    ) -> [VaultRoute] {
        guard let node else {
            if vaults.count == 1 { return [VaultRoute(vault: vaults[0].name)] }
            if vaults.count > 1 {
                mistakes.add(
                    place, "routes are missing: \(vaults.count) vaults need routes that say where records go")
            }
            return []
        }
        guard let list = node.sequence, !list.isEmpty else {
            mistakes.add(node, "routes: expected a list of {user: PATTERN, connection: PATTERN, vault: NAME}")
            return []
        }
        guard list.count <= maximumRoutes else {
            mistakes.add(node, "routes: expected at most \(maximumRoutes), got \(list.count)")
            return []
        }
        let before = mistakes.errors.count
        var routes: [VaultRoute] = []
        /// Where the first route that matches everything is.
        var catchAll: String?
        for element in list {
            guard let route = route(element, vaults: vaults, &mistakes) else { continue }
            if let catchAll {
                mistakes.add(element, "routes: unreachable: the route at \(catchAll) matches everything")
            } else if route.catchesEverything {
                catchAll = mistakes.place(of: element)
            }
            routes.append(route)
        }
        if catchAll == nil && mistakes.errors.count == before {
            mistakes.add(
                node,
                "routes: no catch-all route: add a last route that names only a vault")
        }
        return routes
    }

    private static func route(
        _ node: YAMLNode, vaults: [VaultConfiguration], _ mistakes: inout ConfigurationDiagnostics
    ) -> VaultRoute? {
        guard let mapping = node.mapping else {
            mistakes.add(node, "routes: expected a mapping {user: PATTERN, connection: PATTERN, vault: NAME}")
            return nil
        }
        var route = VaultRoute(vault: "")
        var isGood = true
        for pair in mapping {
            let (key, value) = (pair.key, pair.value)
            let word = key.scalar ?? ""
            if value.isNull && keys.contains(word) { continue }
            if let mistake = set(word, value.scalar, vaults, &route) {
                mistakes.add(keys.contains(word) ? value : key, mistake)
                isGood = false
            }
        }
        if isGood && route.vault.isEmpty {
            mistakes.add(node, "routes: vault is missing: the name of the vault that has these records")
            isGood = false
        }
        return isGood ? route : nil
    }

    /// - Returns: what is wrong.
    private static func set(
        _ key: String, _ value: String?, _ vaults: [VaultConfiguration], _ route: inout VaultRoute
    ) -> String? {
        switch key {
        case "user", "connection":
            guard let value, value.utf8.count <= 256, SettingText.isPrintable(value) else {
                return
                    "routes.\(key): expected a pattern of 1 to 256 bytes without control characters; * stands for any text"
            }
            if key == "user" { route.user = value } else { route.connection = value }
        case "vault":
            let names = vaults.map(\.name)
            guard let value, names.contains(value) else {
                let hint = value.flatMap { Spelling.nearest(to: $0, among: names) }.map { "; did you mean \($0)?" }
                return "routes.vault: expected the name of a vault in vaults\(hint ?? ", got another")"
            }
            route.vault = value
        default:
            let hint = Spelling.nearest(to: key, among: keys).map { "; did you mean \($0)?" }
            return "unknown setting routes.\(Spelling.shown(key))\(hint ?? "; there are \(keys.joined(separator: ", "))")"
        }
        return nil
    }
}
