import Glibc

/// Lets one thread wait until others have each said that they are done.
final class Countdown: @unchecked Sendable {
    // Made by init, waited for by one thread, freed when nobody holds it any more.
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    private let count: Int

    init(_ count: Int) {
        self.count = count
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func countDown() { sem_post(semaphore) }

    func wait() {
        for _ in 0..<count {
            while sem_wait(semaphore) != 0 && errno == EINTR {}
        }
    }
}
