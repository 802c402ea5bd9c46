import CofferCore
import Dispatch
import Synchronization
import Testing

@testable import CofferDaemon

@Suite struct FileReaderTests {
    private let clock = SystemClock()

    private static func secret(_ text: String) -> Secret {
        SecretWriter.build(count: text.utf8.count) { $0.append(text) }
    }

    @Test func givesTheFileOrThatItIsAbsent() async throws {
        let reader = FileReader(clock: clock) { path in path == "/there" ? Self.secret("token") : nil }
        let deadline = clock.boot + .seconds(60)
        #expect(try await reader.read("/there", deadline: deadline)?.count == 5)
        #expect(try await reader.read("/absent", deadline: deadline) == nil)
    }

    @Test func aFileSystemThatHangsHoldsUpNobodyBeyondTheDeadline() async throws {
        let gate = DispatchSemaphore(value: 0)
        let readings = Mutex(0)
        let reader = FileReader(clock: clock) { path throws(Failure) in
            guard path == "/hung" else { return Self.secret("token") }
            readings.withLock { $0 += 1 }
            gate.wait()
            return Self.secret("late")
        }
        let start = clock.boot
        // As many as would use up Swift's threads, were they to block.
        await withTaskGroup(of: Failure?.self) { group in
            for _ in 0..<32 {
                group.addTask {
                    do throws(Failure) {
                        _ = try await reader.read("/hung", deadline: clock.boot + .milliseconds(300))
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            for await failure in group {
                #expect(failure?.code == .unavailable)
                #expect(failure?.isUnsent == true)
            }
        }
        #expect(clock.boot.milliseconds(since: start) < 30_000)
        #expect(try await reader.read("/other", deadline: clock.boot + .seconds(5))?.count == 5)
        // One thread is stuck with it, not one for each who asked.
        let end = clock.boot + .seconds(20)
        while readings.withLock({ $0 }) == 0 && clock.boot < end { try await Task.sleep(for: .milliseconds(5)) }
        #expect(readings.withLock { $0 } == 1)
        gate.signal()
    }

    @Test func aTaskThatIsCancelledWaitsNoLonger() async throws {
        let gate = DispatchSemaphore(value: 0)
        let reader = FileReader(clock: clock) { _ throws(Failure) in
            gate.wait()
            return nil
        }
        let start = clock.boot
        let task = Task {
            do throws(Failure) {
                _ = try await reader.read("/hung", deadline: start + .seconds(60))
                return StatusCode.ok
            } catch {
                return error.code
            }
        }
        task.cancel()
        #expect(await task.value == .cancelled)
        gate.signal()
    }
}
