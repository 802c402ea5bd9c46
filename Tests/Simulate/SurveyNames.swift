import ArgumentParser
import CofferCore
import CofferNameSurvey

struct SurveyNames: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "names", abstract: "Looks whether the names that vaults give to records are legal and no two are the same.")

    @Option(help: "How many pairs of ids for each vault.") var pairs = 1_000_000
    @Option(help: "Seeds the ids; not 0.") var seed = UInt64.random(in: 1...UInt64.max)

    func validate() throws {
        guard seed > 0, pairs > 0 else { throw ValidationError("--seed and --pairs: expected 1 or more") }
    }

    func run() throws {
        let schemes = try NamingScheme.all()
        for scheme in schemes {
            var survey = NameSurvey(scheme, seed: seed)
            do throws(NameSurvey.Violation) {
                try survey.run(pairs: pairs)
            } catch {
                print("FAIL \(scheme.vault): \(error); again: coffer-simulate names --seed \(seed) --pairs \(pairs)")
                throw ExitCode.failure
            }
            print("\(scheme.vault): \(pairs) pairs of ids, each with a legal name of its own")
        }
        print("\(schemes.count) passed, 0 failed")
    }
}
