import CofferPolicyProbe
import Glibc

/// What libFuzzer calls, with the target that COFFER_FUZZ_TARGET names.
enum Entry {
    enum Target: String {
        case service, records, policy, configuration
    }

    static let target = getenv("COFFER_FUZZ_TARGET").flatMap { Target(rawValue: String(cString: $0)) } ?? .service

    /// More CPU time than this on one input is a finding.
    static let maximumMilliseconds = 100.0

    nonisolated(unsafe) private static let service = ServiceRun()
    nonisolated(unsafe) private static let records = try! RecordRun()
    nonisolated(unsafe) private static var slowest = 0.0
    nonisolated(unsafe) private static var inputs: UInt64 = 0

    static func play(_ input: UnsafeRawBufferPointer) {
        var took = milliseconds(for: input)
        // What the first input pays for is not the input's.
        if inputs > 0 {
            // A neighbour on the core's caches doubles the time; an input that is slow
            // by itself is slow each time.
            for _ in 0..<3 where took > maximumMilliseconds { took = min(took, milliseconds(for: input)) }
            guard took <= maximumMilliseconds else { fatalError("one input took \(took) ms of CPU time") }
            slowest = max(slowest, took)
        }
        inputs += 1
    }

    private static func milliseconds(for input: UnsafeRawBufferPointer) -> Double {
        let before = cpuMilliseconds
        let violation: String? = switch target {
        case .service: service.play(input)
        case .records: records.play(input)
        // What is not UTF-8 is refused when the file is read.
        case .policy: String(validating: input, as: UTF8.self).flatMap(PolicyProbe.play)
        case .configuration: playConfiguration(input)
        }
        if let violation { fatalError("broken promise: \(violation)") }
        return cpuMilliseconds - before
    }

    private static func playConfiguration(_ input: UnsafeRawBufferPointer) -> String? {
        #if COFFER_FUZZ_ALL
            return ConfigurationRun.play(input)
        #else
            fatalError("build with COFFER_FUZZ=all to fuzz the configuration")
        #endif
    }

    private static var cpuMilliseconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) * 1e3 + Double(time.tv_nsec) / 1e6
    }

    /// Appends what was done to the file that COFFER_FUZZ_REPORT names.
    static func report() {
        guard let path = getenv("COFFER_FUZZ_REPORT"), let file = fopen(path, "a") else { return }
        let tally = service.tally
        let numbers = [
            "inputs=\(inputs)", "frames=\(tally.frames)", "decoded=\(tally.decoded)",
            "inputs_decoding=\(tally.inputsDecoding)", "slowest_ms=\(Int(slowest.rounded(.up)))",
        ]
        fputs(numbers.joined(separator: " ") + "\n", file)
        fclose(file)
    }
}
