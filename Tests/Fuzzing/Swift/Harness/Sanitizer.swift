import Glibc

/// The address sanitizer, where the program was built with it.
enum Sanitizer {
    private typealias Mark = @convention(c) (UnsafeRawPointer?, Int) -> Void
    private static let poison = function("__asan_poison_memory_region")
    private static let unpoison = function("__asan_unpoison_memory_region")

    private static func function(_ name: String) -> Mark? {
        dlsym(nil, name).map { unsafeBitCast($0, to: Mark.self) }
    }

    /// Whoever touches the region is reported, until the body ends.
    static func withForbidden(_ region: UnsafeRawBufferPointer, _ body: () -> Void) {
        guard let poison, let unpoison, !region.isEmpty else { return body() }
        poison(region.baseAddress, region.count)
        defer { unpoison(region.baseAddress, region.count) }
        body()
    }
}
