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
        guard let text = try? Environment.text(ofFile: path) else { return nil }
        return UInt32(text.filter { $0.isNumber })
    }

    /// A daemon that has one of them would take every unmapped user for itself; the policy
    /// refuses all of those, so it could serve nobody.
    ///
    /// - Throws: what to do about it.
    func refuse(uid: UInt32, gid: UInt32) throws(StartupError) {
        let what: (kind: String, id: UInt32)? =
            uid == self.uid ? ("uid", uid) : gid == self.gid ? ("gid", gid) : nil
        guard let what else { return }
        throw StartupError(
            """
            cofferd runs with \(what.kind) \(what.id), the kernel's overflow \(what.kind): in a user namespace everybody \
            without a mapping has it, so nobody can be told apart; run cofferd as a user and group of its own
            """, exitCode: StartupError.configurationExitCode)
    }
}
