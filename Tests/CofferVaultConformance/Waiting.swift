package import CofferCore

/// What `body` fails with.
package func failure<R>(_ body: () throws(Failure) -> R) -> Failure? {
    do {
        _ = try body()
        return nil
    } catch {
        return error
    }
}

package func failure<R>(_ body: () async throws(Failure) -> R) async -> Failure? {
    do {
        _ = try await body()
        return nil
    } catch {
        return error
    }
}

/// Waits until `condition` holds; false after `seconds`.
package func eventually(seconds: Int = 10, _ condition: () async -> Bool) async throws -> Bool {
    for _ in 0..<seconds * 100 {
        if await condition() { return true }
        try await Task.sleep(for: .milliseconds(10))
    }
    return false
}
