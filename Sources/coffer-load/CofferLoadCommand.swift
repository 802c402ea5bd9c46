internal import ArgumentParser
internal import CofferLoad

@main
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
        print(options.json ? try report.json() : report.text, terminator: "\n")
        if report.errors > 0 { throw ExitCode.failure }
    }
}
