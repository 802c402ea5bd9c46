"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.variable = exports.temporaryPath = exports.defaultSocketPath = void 0;
const node_fs_1 = require("node:fs");
/**
 * Where the daemon of this user listens unless it is told otherwise: PROTOCOL.md, "Where the socket is". In a setuid
 * program no variable counts.
 */
function defaultSocketPath() {
    const named = variable("COFFER_SOCKET");
    if (named)
        return named;
    const folder = variable("XDG_RUNTIME_DIR");
    if (folder?.startsWith("/"))
        return `${folder}/coffer/coffer.sock`;
    const uid = process.geteuid();
    if (uid === 0)
        return "/run/coffer/coffer.sock";
    return isOwnFolder(`/run/user/${uid}`, uid) ? `/run/user/${uid}/coffer/coffer.sock` : temporaryPath(uid);
}
exports.defaultSocketPath = defaultSocketPath;
/** The last resort. Anybody can make a folder of this name in /tmp, so it is checked before it is used. */
function temporaryPath(uid) { return `/tmp/coffer-${uid}/coffer.sock`; }
exports.temporaryPath = temporaryPath;
/** A variable of the environment; undefined in a setuid program, and for an empty one. */
function variable(name) {
    const isTrusted = process.getuid() === process.geteuid() && process.getgid() === process.getegid();
    return isTrusted ? process.env[name] || undefined : undefined;
}
exports.variable = variable;
/** A real folder of this user, not a link, that nobody else may write to. */
function isOwnFolder(path, uid) {
    try {
        const status = (0, node_fs_1.lstatSync)(path);
        return status.isDirectory() && status.uid === uid && (status.mode & 0o022) === 0;
    }
    catch {
        return false;
    }
}
