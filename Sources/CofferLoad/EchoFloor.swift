internal import CBaselines
internal import CofferCore

/// The answers that the echo gives, always the same ones.
struct EchoAnswers: Sendable {
    /// Whole frames.
    var get: [UInt8]
    var store: [UInt8]

    /// Answers as large as the daemon's to calls about such a record: a version of
    /// 24 bytes, all times, and an age.
    init(valueBytes: Int) {
        get = Self.frame(payload: Self.getResponse(RecordShape(valueBytes: valueBytes).value))
        store = Self.frame(payload: Self.storeResponse())
    }

    static func frame(status: StatusCode = .ok, payload: [UInt8]) -> [UInt8] {
        FrameHeader.frame(kind: FrameHeader.Kind.response, code: status.rawValue, payload: payload)
    }

    static func getResponse(_ value: [UInt8]) -> [UInt8] {
        var writer = MessageWriter()
        writer.field(1, value)
        writer.field(2, version)
        writer.field(4, milliseconds)
        writer.field(5, milliseconds)
        writer.field(7, 1)
        writer.field(8, 1500)
        return writer.bytes
    }

    private static func storeResponse() -> [UInt8] {
        var writer = MessageWriter()
        writer.field(1, version)
        writer.field(2, milliseconds)
        writer.field(3, milliseconds)
        return writer.bytes
    }

    private static let version = [UInt8](repeating: UInt8(ascii: "v"), count: 24)
    /// Some day in 2026; only its size on the wire matters.
    private static let milliseconds: UInt64 = 1_790_000_000_000
}

/// Measures the C echo: what the kernel and the generator allow.
///
/// - Parameter cpu: the one that the echo runs on; nil = any.
func runEchoFloor(
    workload: Workload, schedule: Schedule, cpu: Int32? = nil, answers: EchoAnswers? = nil
) throws(LoadError) -> Report {
    let folder = try TemporaryFolder(in: TemporaryFolder.systemFolder)
    let answers = answers ?? EchoAnswers(valueBytes: workload.valueBytes)
    let socket = folder.path + "/echo.sock"
    let echo = try EchoProcess(
        socket: socket, valueBytes: workload.valueBytes, cpu: cpu, answers: answers)
    let wire = FrameWire(shape: RecordShape(valueBytes: workload.valueBytes), valuesDiffer: false)
    var generator = try Generator(socket: socket, workload: workload, wire: wire)
    // All connections are open: nothing stays behind, however this run ends.
    folder.remove()
    let (tally, seconds) = try generator.run(schedule)
    echo.stop()
    return Report(
        .floor, workload: workload, tally: tally, seconds: seconds, answers: tally.measured)
}

/// The echo, for as long as this value lives.
private struct EchoProcess: ~Copyable {
    private let process: Int32

    init(
        socket: String, valueBytes: Int, cpu: Int32?, answers: EchoAnswers
    ) throws(LoadError) {
        let largest = FrameTemplate(.store, shape: RecordShape(valueBytes: valueBytes)).frame.count
        process = answers.get.withUnsafeBufferPointer { get in
            answers.store.withUnsafeBufferPointer { store in
                let replies = [
                    coffer_echo_reply(
                        method: Method.get.id, frame: get.baseAddress!, bytes: get.count),
                    coffer_echo_reply(
                        method: Method.store.id, frame: store.baseAddress!, bytes: store.count),
                ]
                return coffer_echo_start(socket, replies, replies.count, largest, cpu ?? -1)
            }
        }
        guard process > 0 else { throw .system("cannot start the echo") }
    }

    /// Ends it now rather than at the end of this value's life.
    consuming func stop() {}

    deinit { coffer_echo_stop(process) }
}
