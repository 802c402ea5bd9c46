package import CofferCore
package import CofferHTTP

/// How an etcd is used: where records lie in it, and who the daemon is to it.
package struct EtcdOptions: Sendable {
    /// Where the password of the login comes from.
    package enum Password: Sendable {
        case value(Secret)
        /// Read at each login; a line end does not count.
        case file(String)
    }

    /// A user of etcd's own, with a password.
    package struct Login: Sendable {
        package let user: String
        package let password: Password

        package init(user: String, password: Password) {
            self.user = user
            self.password = password
        }
    }

    /// The first part of every key, without outer slashes.
    package let prefix: String
    /// nil = calls carry no token: the cluster has authentication switched off.
    package let login: Login?

    package init(prefix: String = "ai2-connectors", login: Login? = nil) {
        self.prefix = prefix
        self.login = login
    }
}

/// A member of the cluster, and the way to it.
package struct EtcdMember: Sendable {
    package let origin: HTTPOrigin
    package let transport: any HTTPTransport

    package init(origin: HTTPOrigin, transport: any HTTPTransport) {
        self.origin = origin
        self.transport = transport
    }
}

/// What the adapter has from outside beside the network.
package struct EtcdDependencies: Sendable {
    package let clock: any Clock
    package let random: any RandomSource
    /// Ends early, by throwing, when its task is cancelled.
    package let sleep: @Sendable (Duration) async throws -> Void
    /// The bytes of the password's file, by a deadline. Must not block the thread: it may be a reactor's.
    package let readFile: @Sendable (String, BootInstant) async throws(Failure) -> Secret

    package init(
        clock: any Clock = SystemClock(), random: any RandomSource = SystemRandom(),
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) },
        readFile: @escaping @Sendable (String, BootInstant) async throws(Failure) -> Secret
    ) {
        self.clock = clock
        self.random = random
        self.sleep = sleep
        self.readFile = readFile
    }

    /// From `low` to 1.
    func jitter(from low: Double) -> Double {
        let number = random.bytes(2).reduce(0) { $0 << 8 | Int($1) }
        return low + (1 - low) * Double(number) / 65_535
    }

    /// Sleeps, but not beyond the deadline; false if that has come or the task was cancelled.
    func pause(_ duration: Duration, until deadline: BootInstant) async -> Bool {
        guard clock.boot + duration < deadline else { return false }
        return (try? await sleep(duration)) != nil
    }
}
