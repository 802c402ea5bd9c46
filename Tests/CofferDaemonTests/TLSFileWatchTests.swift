import CofferCore
import Dispatch
import Foundation
import Logging
import Synchronization
import Testing

@testable import CofferDaemon

@Suite(.timeLimit(.minutes(1))) struct TLSFileWatchTests {
    /// Between the start of a daemon and its first look at the files there may be a while: databases are examined.
    @Test func aFileThatChangesDuringTheStartIsNoticed() async throws {
        let changes = Mutex(0)
        let (folder, watch) = try Self.watch { changes.withLock { $0 += 1 } }
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Self.two.write(toFile: folder + "/ca.pem", atomically: true, encoding: .utf8)
        try watch.start()
        defer { watch.stop() }
        for _ in 0..<600 where changes.withLock({ $0 }) == 0 { try await Task.sleep(for: .milliseconds(50)) }
        #expect(changes.withLock { $0 } == 1)
    }

    /// A reload that waits no longer for the files does not act on what they hold: whoever follows them does.
    @Test func aChangeThatAReloadDidNotWaitForIsNoticed() async throws {
        let changes = Mutex(0)
        let hold = DispatchSemaphore(value: 0)
        let (folder, watch) = try Self.watch {
            // The first time, its thread is kept, as by a file system that hangs.
            let number = changes.withLock { changes in
                changes += 1
                return changes
            }
            if number == 1 { hold.wait() }
        }
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Self.two.write(toFile: folder + "/ca.pem", atomically: true, encoding: .utf8)
        try watch.start()
        defer { watch.stop() }
        for _ in 0..<600 where changes.withLock({ $0 }) == 0 { try await Task.sleep(for: .milliseconds(50)) }
        try Self.one.write(toFile: folder + "/ca.pem", atomically: true, encoding: .utf8)
        #expect(throws: Failure.self) { try watch.reload(within: .zero) }
        hold.signal()
        for _ in 0..<100 where changes.withLock({ $0 }) == 1 { try await Task.sleep(for: .milliseconds(50)) }
        #expect(changes.withLock { $0 } == 2)
    }

    /// In a folder of its own, with one certificate in `ca.pem`.
    private static func watch(whenChanged: @escaping @Sendable () -> Void) throws -> (folder: String, watch: TLSFileWatch) {
        let folder = NSTemporaryDirectory() + "coffer-tls-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let file = folder + "/ca.pem"
        try one.write(toFile: file, atomically: true, encoding: .utf8)
        let configuration = try ConfigurationLoader(environment: ["VAULT_TOKEN": "t"], isRoot: true) {
            $0 == "/config" ? "vaults: {v: {type: vault, address: https://v:8200, auth: token, ca_file: \(file)}}\n" : nil
        }.load(.init(config: "/config"))
        let watch = try TLSFileWatch(configuration.vaults[0], log: Logger(label: "test"), whenChanged: whenChanged)
        return (folder, try #require(watch))
    }

    private static let one = """
        -----BEGIN CERTIFICATE-----
        MIIBcjCCARmgAwIBAgIUWk2gX0aalGOLxBH5YGJlpajj80EwCgYIKoZIzj0EAwIw
        DjEMMAoGA1UEAwwDb25lMCAXDTI2MTEzMDE2MDAxOFoYDzIxMjYxMTA2MTYwMDE4
        WjAOMQwwCgYDVQQDDANvbmUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASQOj7p
        kF0UdE1YVc48ymwTRbZRNR+Gg4UWYktUGdqKXkuQ1YpqLuUSPIIAWcKrj3yv/p5R
        FFISWN8B63rEuyjbo1MwUTAdBgNVHQ4EFgQU6oInQMukIayaf4G0HaDNFWcaGmUw
        HwYDVR0jBBgwFoAU6oInQMukIayaf4G0HaDNFWcaGmUwDwYDVR0TAQH/BAUwAwEB
        /zAKBggqhkjOPQQDAgNHADBEAiAX4+9iutK/LwvaZoG0JOwZQ2+6GoQ0biYaXYS2
        L31CywIgaBAs3MIM74KdbTyj9wIn2XlBNi+auFtfIjE9Q1AMlSc=
        -----END CERTIFICATE-----
        """

    private static let two = """
        -----BEGIN CERTIFICATE-----
        MIIBczCCARmgAwIBAgIUIE1Qi19SxZWyyJ20s3yK615ycfkwCgYIKoZIzj0EAwIw
        DjEMMAoGA1UEAwwDdHdvMCAXDTI2MTEzMDE2MDAxOFoYDzIxMjYxMTA2MTYwMDE4
        WjAOMQwwCgYDVQQDDAN0d28wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASslqun
        0I/HIEf6+fSz6+ORqDOsDI3jN4O1KDuQLFUR7H90YH1SOm7dRwKksnYllckYLPDm
        WItCE9VVazv0zvKoo1MwUTAdBgNVHQ4EFgQU/PYYDjy96PkcK8dkq3SeCvcGk8sw
        HwYDVR0jBBgwFoAU/PYYDjy96PkcK8dkq3SeCvcGk8swDwYDVR0TAQH/BAUwAwEB
        /zAKBggqhkjOPQQDAgNIADBFAiAuuoqxIk9BazqvJNctquTEMsRf1sW1v50aDwmL
        vFPZFwIhAOINLLDxN48SBRDYl5DA1brIjR4u8laX4WIx/4u9esRb
        -----END CERTIFICATE-----
        """
}
