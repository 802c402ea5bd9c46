"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.failure = exports.connectToDaemon = void 0;
const node_fs_1 = require("node:fs");
const node_net_1 = require("node:net");
const error_js_1 = require("./error.js");
const socket_rule_js_1 = require("./socket-rule.js");
/** Only a handle to the file, for no reading or writing. */
const O_PATH = 0o10000000;
/**
 * Begins to connect to exactly the file that was examined: it is opened first, and connected to by its descriptor, so
 * that nobody can put another one in its place meanwhile.
 *
 * @throws ConnectFailure
 */
function connectToDaemon(path, trust, onread) {
    const trusted = trustedUids(trust);
    const size = Buffer.byteLength(path);
    if (size < 1 || size > 107 || path.includes("\0"))
        throw hopeless(badSocketPath(size));
    checkTemporaryFolder(path);
    let descriptor;
    try {
        descriptor = (0, node_fs_1.openSync)(path, O_PATH);
    }
    catch (error) {
        throw failure(path, error);
    }
    try {
        const status = (0, node_fs_1.fstatSync)(descriptor);
        if (!status.isSocket())
            throw hopeless(notASocket(path));
        if (!trusted.some(([uid]) => uid === status.uid))
            throw hopeless(foreignDaemon(path, status.uid, trusted));
        // Without /proc only the path itself is left.
        const byDescriptor = `/proc/self/fd/${descriptor}`;
        return (0, node_net_1.connect)({ path: (0, node_fs_1.existsSync)(byDescriptor) ? byDescriptor : path, onread });
    }
    finally {
        (0, node_fs_1.closeSync)(descriptor);
    }
}
exports.connectToDaemon = connectToDaemon;
/** What an error of the system means. */
function failure(path, error) {
    const code = error.code ?? "";
    switch (code) {
        case "ENOENT":
        case "ENOTDIR":
        case "ECONNREFUSED":
        case "ECONNRESET":
            return { kind: "absent", error: notRunning(path) };
        case "EAGAIN": return { kind: "busy", error: tooManyConnecting(path) };
        case "ENOTSOCK":
        case "EPROTOTYPE": return hopeless(notASocket(path));
        case "EACCES":
        case "EPERM": return hopeless(socketDenied(path));
        default: return hopeless(new error_js_1.CofferError("UNAVAILABLE", `cannot connect to cofferd at ${path}: ${code || "unknown error"}; check the host's limits, ` +
            "or set COFFER_SOCKET", { retryable: true }));
    }
}
exports.failure = failure;
function trustedUids(trust) {
    const own = process.geteuid();
    const trusted = own === 0 ? [[0, "root"]] : [[0, "root"], [own, "this process"]];
    let told = trust.serverUid;
    let name = "serverUid";
    if (told === undefined && trust.serverUidVariable !== undefined) {
        const text = trust.serverUidVariable;
        told = /^[0-9]+$/.test(text) ? Number(text) : NaN;
        name = "COFFER_SERVER_UID";
        if (!(told < 0xffffffff))
            throw hopeless(badServerUid(text));
    }
    if (told !== undefined && told !== 0 && told !== own)
        trusted.push([told, name]);
    return trusted;
}
/** Anybody could have made the folder that the rule ends with. */
function checkTemporaryFolder(path) {
    const own = process.geteuid();
    if (path !== (0, socket_rule_js_1.temporaryPath)(own))
        return;
    const folder = path.slice(0, -"/coffer.sock".length);
    let isRight;
    try {
        const status = (0, node_fs_1.lstatSync)(folder);
        isRight = status.isDirectory() && status.uid === own && (status.mode & 0o077) === 0;
    }
    catch (error) {
        throw failure(path, error);
    }
    if (!isRight) {
        throw hopeless(new error_js_1.CofferError("FAILED_PRECONDITION", `${folder} must be a folder of uid ${own} with mode 0700, not a link; remove it, or set COFFER_SOCKET`));
    }
}
function hopeless(error) { return { kind: "hopeless", error }; }
// The other clients say the same, word for word.
function notRunning(path) {
    return new error_js_1.CofferError("UNAVAILABLE", `cofferd is not running at ${path}; start it, or set COFFER_SOCKET`, { retryable: true });
}
function tooManyConnecting(path) {
    return new error_js_1.CofferError("UNAVAILABLE", `cofferd at ${path} has too many connections waiting; try again, or allow the call more time`, { retryable: true });
}
function notASocket(path) {
    return new error_js_1.CofferError("FAILED_PRECONDITION", `${path} is not a socket of cofferd; move it away, or set COFFER_SOCKET`);
}
function socketDenied(path) {
    return new error_js_1.CofferError("PERMISSION_DENIED", `uid ${process.geteuid()} may not use the socket ${path}; check its mode and its folder's, or set COFFER_SOCKET`, { reason: "DENIED" });
}
function badSocketPath(size) {
    return error_js_1.CofferError.badField(`the path of the socket has ${size} bytes, expected 1 to 107; set COFFER_SOCKET to another one`);
}
function badServerUid(text) {
    return error_js_1.CofferError.badField(`COFFER_SERVER_UID: expected the number of a uid, got ${Buffer.byteLength(text)} bytes that are none; correct or unset it`);
}
function foreignDaemon(path, uid, trusted) {
    const names = trusted.map(([id, name]) => `${id} (${name})`);
    const last = names.pop();
    const expected = names.length > 0 ? `${names.join(", ")} or ${last}` : last;
    return new error_js_1.CofferError("FAILED_PRECONDITION", `the socket ${path} belongs to uid ${uid}, expected ${expected}; if that uid is trusted with credentials, ` +
        `set COFFER_SERVER_UID=${uid}`);
}
