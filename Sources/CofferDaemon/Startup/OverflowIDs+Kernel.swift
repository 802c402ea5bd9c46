import CofferAccess
import Glibc

extension OverflowIDs {
    /// As the kernel has them; its defaults where it does not say.
    static var ofKernel: OverflowIDs {
        OverflowIDs(
            uid: number("/proc/sys/kernel/overflowuid") ?? OverflowIDs().uid,
            gid: number("/proc/sys/kernel/overflowgid") ?? OverflowIDs().gid)
    }

    private static func number(_ path: String) -> UInt32? {
        // Without /proc the defaults hold.
        guard let text = try? Environment.text(ofFile: path) else { return nil }
        return UInt32(text.filter { $0.isNumber })
    }

    /// What holds for a daemon with these ids. With the overflow uid every unmapped user would look
    /// like its own user, so it could serve nobody. The overflow gid alone, which is `nogroup` and
    /// the group of many a system user, says nothing of who a peer is.
    ///
    /// - Throws: what to do about the overflow uid.
    func forDaemon(uid: UInt32, gid: UInt32) throws(StartupError) -> OverflowIDs {
        guard uid != self.uid else {
            throw StartupError(
                """
                cofferd runs with uid \(uid), the kernel's overflow uid: in a user namespace every user without a \
                mapping has it, so none can be told apart; run cofferd as a user of its own
                """, exitCode: StartupError.configurationExitCode)
        }
        return gid == self.gid ? OverflowIDs(uid: self.uid, gid: nil) : self
    }

    /// What a daemon with the overflow gid says; nil for others.
    func warning(gid: UInt32) -> String? {
        guard self.gid == nil else { return nil }
        return "cofferd runs with gid \(gid), the kernel's overflow gid (nogroup), which other programs have too: clients are admitted by uid alone; give cofferd a group of its own"
    }
}
