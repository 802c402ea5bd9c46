import CofferCore
import CofferDaemon
import CofferVault
import CofferVaultCatalogue
import CofferVaultConformance
import CofferVaultKit
import Foundation
import Testing

@testable import CofferServer

/// A vault of a new type works like those of the catalogue once it is named there.
@Suite struct FolderDriverTests {
    private let catalogue = VaultCatalogue(VaultCatalogue.standard.drivers + [FolderDriver()])

    private func load(
        _ text: String?, _ environment: [String: String] = [:]
    ) throws(ConfigurationErrors) -> Configuration {
        try ConfigurationLoader(environment: environment, isRoot: true, catalogue: catalogue) {
            $0 == "/etc/coffer/coffer.yaml" ? text : nil
        }.load(.init())
    }

    private func mistakes(_ text: String?, _ environment: [String: String] = [:]) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try load(text, environment)
            return []
        } catch {
            return error.errors.map(\.description)
        }
    }

    @Test func itsSettingsAreReadAndPrinted() throws {
        let configuration = try load("vaults: {notes: {type: folder, path: /srv/notes, queue: 5}}")
        let vault = try #require(configuration.vaults.first)
        #expect(vault[FolderDriver.path] == "/srv/notes")
        let printed = Setting.yaml(configuration)
        #expect(printed.contains("    type: folder\n") && printed.contains("    path: /srv/notes\n"))
        #expect(try load(printed) == configuration)
    }

    @Test func itsVariablesAreRead() throws {
        let byVariables = try load(nil, ["VAULT_TYPE": "folder", "FOLDER_PATH": "/srv/a"])
        #expect(try #require(byVariables.vaults.first)[FolderDriver.path] == "/srv/a")
        #expect(mistakes(nil, ["VAULT_TYPE": "folder", "FOLDER_PATH": "a"]) == ["FOLDER_PATH: expected the path of a file, from / on"])
    }

    @Test func itsMistakesHaveTheirPlace() {
        let file = "/etc/coffer/coffer.yaml"
        #expect(
            mistakes("vaults:\n  notes: {type: folder}\n") == [
                "\(file):2:3: vaults.notes: path is missing; expected the path of a folder"
            ])
        #expect(
            mistakes("vaults:\n  notes: {type: folder, path: x}\n") == [
                "\(file):2:31: vaults.notes.path: expected the path of a file, from / on"
            ])
        #expect(
            mistakes("vaults:\n  notes: {type: memory, path: /x}\n") == [
                "\(file):2:31: vaults.notes.path: only vaults of type folder have this setting; this one is of type memory"
            ])
        #expect(
            mistakes("vaults:\n  notes: {type: floppy}\n") == [
                "\(file):2:17: vaults.notes.type: expected \(VaultCatalogue.standard.expects), folder"
            ])
    }

    @Test(.timeLimit(.minutes(1)), arguments: VaultConformance.allCases)
    func conforms(duty: VaultConformance) async throws {
        try await duty.check(FolderFixture())
    }

    @Test func theDoctorGivesItsAdvice() {
        let doctor = DoctorAdvice(FolderDriver().advice)
        let failure = Failure(.failedPrecondition, .vaultRefused, "the folder does not exist")
        #expect(doctor.advice(for: failure) == "Make the folder that path names.")
    }
}

private final class FolderFixture: VaultFixture {
    private let manual = ManualClock()
    private let folder = FileManager.default.temporaryDirectory.appending(path: "coffer-folder-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false) }
    deinit { try? FileManager.default.removeItem(at: folder) }

    var clock: any Clock { manual }
    let expiryStep: UInt64 = 1
    func advance(milliseconds: UInt64) { manual.advance(milliseconds: milliseconds) }
    func open() -> any VaultAdapter { FolderVault(name: "test", folder: folder.path, clock: manual) }
    func reopen() -> (any VaultAdapter)? { open() }
    func another() -> (any VaultAdapter)? { open() }
}
