internal import CofferCore

/// Work that is done once for all who want it meanwhile; each waits no longer
/// than its own deadline.
actor SharedWork<Value: Sendable> {
    private let seams: HashiCorpSeams
    private var isRunning = false
    private var waiting: [Int: CheckedContinuation<Value?, Never>] = [:]
    private var lastNumber = 0

    init(seams: HashiCorpSeams) { self.seams = seams }

    /// What the work under way gives, or `work` if none is; nil when the deadline
    /// came first or the task was cancelled. The work goes on then.
    func value(by deadline: BootInstant, _ work: @escaping @Sendable () async -> Value) async -> Value? {
        let now = seams.clock.boot
        guard now < deadline, !Task.isCancelled else { return nil }
        if !isRunning {
            isRunning = true
            Task { self.finish(await work()) }
        }
        lastNumber += 1
        let number = lastNumber
        let left = Duration.nanoseconds(Int64(clamping: deadline.nanoseconds - now.nanoseconds))
        let timer = Task {
            try? await seams.sleep(left)
            giveUp(number)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { waiting[number] = $0 }
        } onCancel: {
            Task { await self.giveUp(number) }
        }
    }

    private func finish(_ value: Value) {
        isRunning = false
        let all = waiting.values
        waiting = [:]
        for continuation in all { continuation.resume(returning: value) }
    }

    private func giveUp(_ number: Int) {
        waiting.removeValue(forKey: number)?.resume(returning: nil)
    }
}
