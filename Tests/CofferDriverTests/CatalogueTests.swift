import CofferCore
import CofferVault
import CofferVaultCatalogue
import CofferVaultKit
import Testing

@testable import CofferServer

/// Promises of every driver of the catalogue, and of one that only the tests have.
@Suite struct CatalogueTests {
    private static let drivers: [any VaultDriver] = VaultCatalogue.standard.drivers + [FolderDriver()]

    @Test func typesAreWordsAndUnique() {
        let types = Self.drivers.map(\.type)
        #expect(Set(types).count == types.count)
        for type in types {
            #expect(!type.isEmpty && type.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 })
        }
    }

    @Test func everySettingIsDescribed() {
        for driver in Self.drivers {
            for setting in driver.settings {
                #expect(!setting.summary.isEmpty && !setting.expects.isEmpty && !setting.standard.isEmpty, "\(setting.name)")
                #expect(!setting.summary.hasSuffix("."), "\(setting.name)")
                #expect(setting.variables.contains("COFFER_VAULT_\(setting.name.uppercased())"), "\(setting.name)")
            }
        }
    }

    @Test func everyDriverHasTheCommonSettings() {
        for driver in Self.drivers {
            let names = Set(driver.settings.map(\.name))
            #expect(names.isSuperset(of: CommonSettings.all.map(\.name)), "\(driver.type)")
            #expect(Set(driver.settings.map(\.name)).count == driver.settings.count, "\(driver.type)")
        }
    }

    /// A setting of two types is the same setting: the manual has one row for it.
    @Test func settingsOfOneNameAreOneSetting() {
        var known: [String: AnyVaultSetting] = [:]
        for setting in Self.drivers.flatMap(\.settings) {
            if let other = known.updateValue(setting, forKey: setting.name) {
                #expect(other.expects == setting.expects && other.summary == setting.summary, "\(setting.name)")
            }
        }
    }

    // MARK: Advice

    @Test func everyReasonHasAnAdviceOfItsOwn() {
        let reasons: [Failure.Reason] = [
            .vaultUnreachable, .vaultRefused, .vaultFailed, .deadline, .limit, .unreadableRecord, .disk, .notSupported,
            .internal,
        ]
        for driver in Self.drivers {
            let doctor = DoctorAdvice(driver.advice)
            let advice = reasons.map { doctor.advice(for: Failure(.unavailable, $0, "x")) }
            #expect(Set(advice).count == reasons.count, "\(driver.type)")
            let login = doctor.advice(for: Failure(.unauthenticated, .vaultRefused, "x"))
            #expect(!advice.contains(login), "\(driver.type)")
            let setUp = doctor.advice(for: Failure(.failedPrecondition, .vaultRefused, "x"))
            #expect(setUp != login && !advice.contains(setUp), "\(driver.type)")
        }
    }

    /// Words of other types are not in the advice.
    @Test(
        arguments: [
            ("vault", ["region", "kms_key", "IAM", "endpoint", "access key"]),
            ("aws", ["auth", "auth_mount", "secret id", "namespace", "mount", "KV engine", "server_name"]),
            ("cloudflare", ["auth", "auth_mount", "secret id", "mount", "region", "kms_key", "IAM", "store,"]),
            ("cloudflare-secrets-store", ["auth", "auth_mount", "secret id", "mount", "region", "IAM", "kv_namespace"]),
            ("gcp", ["auth_mount", "secret id", "namespace", "mount", "KV engine", "server_name", "kms_key", "IAM", "access key"]),
            ("azure", ["region", "kms_key", "IAM", "access key", "auth_mount", "secret id", "namespace", "mount", "KV engine", "endpoint"]),
            ("postgres", ["region", "kms_key", "IAM", "access key", "auth_mount", "secret id", "namespace", "KV engine", "endpoint"]),
            ("etcd", ["region", "kms_key", "IAM", "access key", "auth_mount", "secret id", "namespace", "KV engine"]),
            ("fly", ["region", "kms_key", "IAM", "access key", "auth_mount", "secret id", "namespace", "mount", "KV engine", "endpoint"]),
            ("embedded", ["auth_mount", "region", "namespace", "ca_file", "IAM", "token"]),
            ("memory", ["auth_mount", "region", "namespace", "ca_file", "IAM", "token"]),
        ])
    func adviceFitsTheType(type: String, foreign: [String]) throws {
        let doctor = DoctorAdvice(try #require(VaultCatalogue.standard[type: type]).advice)
        for (code, reason) in Self.failures {
            let text = doctor.advice(for: Failure(code, reason, "x"))
            for word in foreign { #expect(!text.contains(word), "\(type): \(text)") }
        }
    }

    private static let failures: [(StatusCode, Failure.Reason)] = [
        (.unavailable, .vaultUnreachable), (.unauthenticated, .vaultRefused), (.failedPrecondition, .vaultRefused),
        (.permissionDenied, .vaultRefused), (.internal, .vaultFailed), (.deadlineExceeded, .deadline),
        (.resourceExhausted, .limit), (.dataLoss, .unreadableRecord),
    ]
}
