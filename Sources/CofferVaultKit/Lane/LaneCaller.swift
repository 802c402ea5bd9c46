package import CofferCore
package import CofferVault

/// Gets the outcome of a call, once.
package protocol LaneCaller<Reply>: AnyObject, Sendable {
    associatedtype Reply: Sendable

    /// Takes the outcome; may not block, for the thread has others to answer.
    ///
    /// - Returns: what is to be done, and where; nil = the caller has been told.
    func accept(_ outcome: Result<Reply, Failure>) -> (on: any WorkQueue, work: any WorkItem)?
}

/// A task that waits.
package final class TaskCaller<Reply: Sendable>: LaneCaller {
    private let continuation: CheckedContinuation<Result<Reply, Failure>, Never>

    package init(_ continuation: CheckedContinuation<Result<Reply, Failure>, Never>) {
        self.continuation = continuation
    }

    package func accept(_ outcome: Result<Reply, Failure>) -> (on: any WorkQueue, work: any WorkItem)? {
        continuation.resume(returning: outcome)
        return nil
    }
}
