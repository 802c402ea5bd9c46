package import CofferCore
internal import CCurl
internal import CLinux
internal import Glibc
internal import Synchronization

/// Runs the HTTP transfers of all vaults on one thread, over libcurl.
///
/// Only to begin one is left to the thread that asks, where a kept connection has
/// nothing to do and nothing else is in hand. If that connection turns out to be
/// closed, the first step of the new one is taken there too; no step waits for the network.
///
/// The first engine of a process takes proxies, key logs and certificate files
/// out of the environment (see `coffer_curl_clean_environment`); make it before
/// other threads read the environment.
///
/// HTTP/1.1 only, with one request at a time on each connection. Offered HTTP/2 too,
/// libcurl 7.88 takes a server's connections for all alike: where one speaks HTTP/2 it
/// puts several requests on one that does not, and gives their answers to each other's
/// callers (curl issue 4885). A lone request is also answered sooner so.
///
/// What is wiped: header lines, bodies of answers, request bodies (with their
/// last owner), and everything that libcurl itself allocates, because its
/// allocator here wipes what it frees, handles after each request. OpenSSL wipes what it
/// decrypted when it has been taken, and gives its buffers back; `OpenSSLMemory` has it wipe
/// what it frees. What is not wiped: the kernel's socket buffers; the headers of answers.
package final class HTTPEngine: Sendable {
    private let loop: EngineLoop
    private let thread = Mutex<WorkerThread?>(nil)

    /// Takes out of the environment what an engine, or OpenSSL or the resolver without one, would obey; before other threads
    /// read it.
    package static func cleanEnvironment() { coffer_curl_clean_environment() }

    /// One whose I/O thread does not run yet: requests wait for ``start()``.
    ///
    /// - Throws: FAILED_PRECONDITION if there is no libcurl that can be used; RESOURCE_EXHAUSTED if the system has no memory
    ///   or descriptor to load it, INTERNAL if it has none for the engine.
    package init(clock: any Clock = SystemClock()) throws(Failure) {
        try CurlLibrary.start()
        loop = try EngineLoop(clock: clock)
    }

    /// One that runs.
    ///
    /// - Throws: RESOURCE_EXHAUSTED or INTERNAL if the kernel gives no thread or descriptor.
    package static func started(clock: any Clock = SystemClock()) throws(Failure) -> HTTPEngine {
        let engine = try HTTPEngine(clock: clock)
        try engine.start()
        return engine
    }

    /// Starts the I/O thread. Once.
    ///
    /// - Throws: RESOURCE_EXHAUSTED if the kernel gives no thread.
    package func start() throws(Failure) {
        let loop = loop
        let started = try WorkerThread(name: "coffer-http") { loop.run() }
        thread.withLock { $0 = started }
    }

    deinit { close() }

    /// A client with connections of its own, none of them open yet. It keeps the
    /// engine running.
    ///
    /// - Throws: INVALID_ARGUMENT that names the setting.
    package func client(_ endpoint: HTTPEndpoint) throws(Failure) -> HTTPClient {
        try endpoint.validate()
        return HTTPClient(endpoint, self, loop)
    }

    /// Ends every transfer with `closed`, and the thread; returns when it has ended.
    package func close() {
        guard let thread = thread.withLock({ $0.take() }) else { return }
        loop.post(.stop)
        thread.join()
    }
}
