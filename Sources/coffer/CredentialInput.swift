import Coffer
import CofferProcess
import Glibc

/// A credential on its way in, never in a String.
enum CredentialInput {
    /// The protocol's own limit in bytes; the daemon's is usually lower.
    private static let maximumBytes = 1 << 20

    /// All of a file or of standard input, at a terminal one line of it, into memory that is wiped.
    ///
    /// - Throws: if it cannot be read whole, or is over the protocol's limit.
    static func read(file path: String?) throws -> Credential {
        if let path { return try collect { try readFile(path, into: $0) } }
        guard StandardStream.input.isTerminal else {
            return try collect { try StandardStream.read(0, "standard input", into: $0) }
        }
        return try collect(typed)
    }

    private static func collect(_ source: (UnsafeMutableRawBufferPointer) throws -> Int) throws -> Credential {
        var result: Result<Int, any Error> = .success(0)
        let buffer = Credential(count: maximumBytes + 1) { region in result = Result { try source(region) } }
        let count = try result.get()
        guard count > 0 else {
            throw CofferError(.invalidArgument, .badField, "credential: expected at least 1 byte, got none")
        }
        guard count <= maximumBytes else { throw CofferError.credentialTooLarge("more than \(maximumBytes) bytes") }
        return buffer.withUnsafeBytes { bytes in
            Credential(count: count) { $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count])) }
        }
    }

    private static func readFile(_ path: String, into region: UnsafeMutableRawBufferPointer) throws -> Int {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw unreadable(StreamFailure("cannot read \(path)", errno)) }
        defer { close(descriptor) }
        do {
            return try StandardStream.read(descriptor, path, into: region)
        } catch {
            throw unreadable(error)
        }
    }

    private static func unreadable(_ failure: StreamFailure) -> CofferError {
        CofferError(.invalidArgument, .badField, "--file: \(failure)")
    }

    private static func typed(into region: UnsafeMutableRawBufferPointer) throws -> Int {
        do {
            return try TerminalPrompt("coffer: credential (not shown; Enter ends it): ").readLine(into: region)
        } catch {
            switch error {
            case .stream(let failure): throw failure
            case .longLine, .severalLines:
                throw CofferError(.invalidArgument, .badField, "credential: \(error)")
            }
        }
    }
}

extension CofferError {
    /// The same status and reason, whichever limit was met first.
    static func credentialTooLarge(_ got: String) -> CofferError {
        CofferError(
            .invalidArgument, .credentialTooLarge,
            "credential: got \(got), more than the limit; coffer stats shows it as limit_credential_bytes")
    }
}
