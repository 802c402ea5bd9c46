internal import ArgumentParser
internal import CofferLoad
internal import CofferProcess

struct CofferLoadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "coffer-load",
        abstract: "Measures a daemon, or the most that this machine could give.",
        discussion: """
            A closed loop: every connection keeps --depth calls in flight and sends the next one \
            when an answer comes. Records are written under users named load-XXXXXXXX, so point \
            --socket at a daemon that was started for measuring.

            A trace is not a closed loop of its own: with --speed, calls come at the trace's times, and \
            those of one record one after another.

            Exit status: 0 if every answer was OK and, where sampled, right; else 1. Of a record that \
            a trace has deleted, NOT_FOUND is right.
            """)

    @OptionGroup var options: LoadOptions

    func run() throws {
        let report: any LoadReport = options.hasTrace ? try options.play() : try options.run()
        try StandardStream.output.write((options.json ? try report.json() : report.text) + "\n")
        guard report.errors == 0 else {
            try StandardStream.output.finish()
            throw WrongAnswers()
        }
    }
}

/// Some answers were not OK, or not right.
struct WrongAnswers: Error, CustomStringConvertible {
    var description: String { "some answers were not OK, or not right; the report counts them" }
}
