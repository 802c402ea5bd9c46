internal import CofferCore
internal import CofferVault

/// What every vault owes to the daemon, as checks that any adapter can be put to.
///
///     @Test(arguments: VaultConformance.allCases)
///     func conforms(to duty: VaultConformance) async throws {
///         try await duty.check(MyFixture())
///     }
///
/// A duty that a vault cannot do by its `capabilities` becomes the duty to refuse
/// with FAILED_PRECONDITION.
package enum VaultConformance: String, CaseIterable, Sendable {
    case readsWhatWasWritten, replacesWhole, removes, keepsBinaryOfEverySize, refusesWrongSizes
    case tellsTagsApartByOneBit, tellsEquivalentIDsApart
    case keepsCreated, resetsCreatedAfterExpiry
    case conditionIfAbsent, conditionIfVersion, conditionOnRemove
    case expiresToTheStep, expiredIsAbsentEverywhere
    case listsOneUser, listsEveryone, listsInPagesOfAnySize, listsWhileOthersChange, refusesForeignCursors
    case oneIfAbsentWins, noUpdateIsLost, manyKeysAtOnce
    case obeysDeadlines, closesUnderLoad, survivesReopening, checks
    case isReadable, keepsTTLBelowTheShortest, keepsTheLongestName, catchesUp, tellsOfChanges

    /// What can be asked of a vault that is write-only; all else reads.
    private static let withoutReading: Set<Self> = [.checks, .isReadable, .keepsTheLongestName]

    /// - Throws: `Violation` for the first broken promise; the fixture's errors.
    package func check(_ fixture: some VaultFixture) async throws {
        let vault = try await fixture.open()
        let bench = Bench(vault: vault, fixture: fixture)
        do {
            try await run(bench)
        } catch {
            await vault.close()
            throw error
        }
        await vault.close()
    }

    private func run(_ bench: Bench) async throws {
        guard bench.vault.capabilities.readable || Self.withoutReading.contains(self) else {
            return try await bench.refusesReading()
        }
        switch self {
        case .readsWhatWasWritten: try await bench.readsWhatWasWritten()
        case .replacesWhole: try await bench.replacesWhole()
        case .removes: try await bench.removes()
        case .keepsBinaryOfEverySize: try await bench.keepsBinaryOfEverySize()
        case .refusesWrongSizes: try await bench.refusesWrongSizes()
        case .tellsTagsApartByOneBit: try await bench.tellsTagsApartByOneBit()
        case .tellsEquivalentIDsApart: try await bench.tellsEquivalentIDsApart()
        case .keepsCreated: try await bench.keepsCreated()
        case .resetsCreatedAfterExpiry: try await bench.resetsCreatedAfterExpiry()
        case .conditionIfAbsent: try await bench.conditionIfAbsent()
        case .conditionIfVersion: try await bench.conditionIfVersion()
        case .conditionOnRemove: try await bench.conditionOnRemove()
        case .expiresToTheStep: try await bench.expiresToTheStep()
        case .expiredIsAbsentEverywhere: try await bench.expiredIsAbsentEverywhere()
        case .listsOneUser: try await bench.listsOneUser()
        case .listsEveryone: try await bench.listsEveryone()
        case .listsInPagesOfAnySize: try await bench.listsInPagesOfAnySize()
        case .listsWhileOthersChange: try await bench.listsWhileOthersChange()
        case .refusesForeignCursors: try await bench.refusesForeignCursors()
        case .oneIfAbsentWins: try await bench.oneIfAbsentWins()
        case .noUpdateIsLost: try await bench.noUpdateIsLost()
        case .manyKeysAtOnce: try await bench.manyKeysAtOnce()
        case .obeysDeadlines: try await bench.obeysDeadlines()
        case .closesUnderLoad: try await bench.closesUnderLoad()
        case .survivesReopening: try await bench.survivesReopening()
        case .checks: try await bench.checks()
        case .isReadable: try await bench.isReadable()
        case .keepsTTLBelowTheShortest: try await bench.keepsTTLBelowTheShortest()
        case .keepsTheLongestName: try await bench.keepsTheLongestName()
        case .catchesUp: try await bench.catchesUp()
        case .tellsOfChanges: try await bench.tellsOfChanges()
        }
    }

    /// A promise that the vault broke.
    package struct Violation: Error, CustomStringConvertible {
        package let description: String
    }
}
