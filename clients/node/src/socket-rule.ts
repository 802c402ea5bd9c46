import { lstatSync } from "node:fs";

/**
 * Where the daemon of this user listens unless it is told otherwise: PROTOCOL.md, "Where the socket is". In a setuid
 * program no variable counts.
 */
export function defaultSocketPath(): string {
    const named = variable("COFFER_SOCKET");
    if (named) return named;
    const folder = variable("XDG_RUNTIME_DIR");
    if (folder?.startsWith("/")) return `${folder}/coffer/coffer.sock`;
    const uid = process.geteuid();
    if (uid === 0) return "/run/coffer/coffer.sock";
    return isOwnFolder(`/run/user/${uid}`, uid) ? `/run/user/${uid}/coffer/coffer.sock` : temporaryPath(uid);
}

/** The last resort. Anybody can make a folder of this name in /tmp, so it is checked before it is used. */
export function temporaryPath(uid: number): string { return `/tmp/coffer-${uid}/coffer.sock`; }

/** A variable of the environment; undefined in a setuid program, and for an empty one. */
export function variable(name: string): string | undefined {
    const isTrusted = process.getuid() === process.geteuid() && process.getgid() === process.getegid();
    return isTrusted ? process.env[name] || undefined : undefined;
}

/** A real folder of this user, not a link, that nobody else may write to. */
function isOwnFolder(path: string, uid: number): boolean {
    try {
        const status = lstatSync(path);
        return status.isDirectory() && status.uid === uid && (status.mode & 0o022) === 0;
    } catch {
        return false;
    }
}
