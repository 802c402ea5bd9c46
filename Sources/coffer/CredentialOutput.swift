import Coffer
import CofferProcess
import FoundationEssentials

/// A credential on its way out.
enum CredentialOutput {
    /// To a pipe or a file as it was stored; to a terminal as text that moves no cursor, with a
    /// line feed at its end.
    ///
    /// - Returns: whether what was written is what was stored, but for that line feed.
    static func write(_ credential: Credential) throws(StreamFailure) -> Bool {
        try credential.withUnsafeBytes { bytes throws(StreamFailure) in
            guard StandardStream.output.isTerminal else {
                try StandardStream.output.write(bytes)
                return true
            }
            var isWhole = true
            let text = Printable.lines(bytes, isWhole: &isWhole)
            try StandardStream.output.write(text.hasSuffix("\n") ? text : text + "\n")
            return isWhole
        }
    }

    static func base64(_ credential: Credential) -> String {
        credential.withUnsafeBytes { Data($0).base64EncodedString() }
    }
}
