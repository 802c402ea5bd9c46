import { closeSync, existsSync, fstatSync, lstatSync, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { CofferError } from "./error.js";
import { temporaryPath } from "./socket-rule.js";

/** Only a handle to the file, for no reading or writing. */
const O_PATH = 0o10000000;

/** Why there is no connection. */
export interface ConnectFailure {
    /** The backlog is full, nobody listens, or waiting would change nothing. */
    kind: "busy" | "absent" | "hopeless";
    /** What the caller gets once waiting is over. */
    error: CofferError;
}

/** Who is trusted with credentials beside root and this process. */
export interface Trust {
    /** An option of the client. */
    serverUid?: number;
    /** `$COFFER_SERVER_UID`. */
    serverUidVariable?: string;
}

/**
 * Begins to connect to exactly the file that was examined: it is opened first, and connected to by its descriptor, so
 * that nobody can put another one in its place meanwhile.
 *
 * @throws ConnectFailure
 */
export function connectToDaemon(
    path: string, trust: Trust, onread: { buffer: Uint8Array; callback(count: number): boolean },
): Socket {
    const trusted = trustedUids(trust);
    const size = Buffer.byteLength(path);
    if (size < 1 || size > 107 || path.includes("\0")) throw hopeless(badSocketPath(size));
    checkTemporaryFolder(path);
    let descriptor: number;
    try {
        descriptor = openSync(path, O_PATH);
    } catch (error) {
        throw failure(path, error);
    }
    try {
        const status = fstatSync(descriptor);
        if (!status.isSocket()) throw hopeless(notASocket(path));
        if (!trusted.some(([uid]) => uid === status.uid)) throw hopeless(foreignDaemon(path, status.uid, trusted));
        // Without /proc only the path itself is left.
        const byDescriptor = `/proc/self/fd/${descriptor}`;
        return connect({ path: existsSync(byDescriptor) ? byDescriptor : path, onread });
    } finally {
        closeSync(descriptor);
    }
}

/** What an error of the system means. */
export function failure(path: string, error: unknown): ConnectFailure {
    const code = (error as { code?: string }).code ?? "";
    switch (code) {
        case "ENOENT": case "ENOTDIR": case "ECONNREFUSED": case "ECONNRESET":
            return { kind: "absent", error: notRunning(path) };
        case "EAGAIN": return { kind: "busy", error: tooManyConnecting(path) };
        case "ENOTSOCK": case "EPROTOTYPE": return hopeless(notASocket(path));
        case "EACCES": case "EPERM": return hopeless(socketDenied(path));
        default: return hopeless(new CofferError(
            "UNAVAILABLE", `cannot connect to cofferd at ${path}: ${code || "unknown error"}; check the host's limits, ` +
            "or set COFFER_SOCKET", { retryable: true }));
    }
}

function trustedUids(trust: Trust): [uid: number, name: string][] {
    const own = process.geteuid();
    const trusted: [number, string][] = own === 0 ? [[0, "root"]] : [[0, "root"], [own, "this process"]];
    let told = trust.serverUid;
    let name = "serverUid";
    if (told === undefined && trust.serverUidVariable !== undefined) {
        const text = trust.serverUidVariable;
        told = /^[0-9]{1,10}$/.test(text) ? Number(text) : NaN;
        name = "COFFER_SERVER_UID";
        if (!(told < 0xffffffff)) throw hopeless(badServerUid(text));
    }
    if (told !== undefined && told !== 0 && told !== own) trusted.push([told, name]);
    return trusted;
}

/** Anybody could have made the folder that the rule ends with. */
function checkTemporaryFolder(path: string): void {
    const own = process.geteuid();
    if (path !== temporaryPath(own)) return;
    const folder = path.slice(0, -"/coffer.sock".length);
    let isRight: boolean;
    try {
        const status = lstatSync(folder);
        isRight = status.isDirectory() && status.uid === own && (status.mode & 0o077) === 0;
    } catch (error) {
        throw failure(path, error);
    }
    if (!isRight) {
        throw hopeless(new CofferError(
            "FAILED_PRECONDITION",
            `${folder} must be a folder of uid ${own} with mode 0700, not a link; remove it, or set COFFER_SOCKET`));
    }
}

function hopeless(error: CofferError): ConnectFailure { return { kind: "hopeless", error }; }

// The other clients say the same, word for word.

function notRunning(path: string): CofferError {
    return new CofferError(
        "UNAVAILABLE", `cofferd is not running at ${path}; start it, or set COFFER_SOCKET`, { retryable: true });
}

function tooManyConnecting(path: string): CofferError {
    return new CofferError(
        "UNAVAILABLE",
        `cofferd at ${path} has too many connections waiting; try again, or allow the call more time`, { retryable: true });
}

function notASocket(path: string): CofferError {
    return new CofferError(
        "FAILED_PRECONDITION", `${path} is not a socket of cofferd; move it away, or set COFFER_SOCKET`);
}

function socketDenied(path: string): CofferError {
    return new CofferError(
        "PERMISSION_DENIED",
        `uid ${process.geteuid()} may not use the socket ${path}; check its mode and its folder's, or set COFFER_SOCKET`,
        { reason: "DENIED" });
}

function badSocketPath(size: number): CofferError {
    return CofferError.badField(
        `the path of the socket has ${size} bytes, expected 1 to 107; set COFFER_SOCKET to another one`);
}

function badServerUid(text: string): CofferError {
    return CofferError.badField(
        `COFFER_SERVER_UID: expected the number of a uid, got ${Buffer.byteLength(text)} bytes that are none; correct or unset it`);
}

function foreignDaemon(path: string, uid: number, trusted: [number, string][]): CofferError {
    const names = trusted.map(([id, name]) => `${id} (${name})`);
    const last = names.pop();
    const expected = names.length > 0 ? `${names.join(", ")} or ${last}` : last;
    return new CofferError(
        "FAILED_PRECONDITION",
        `the socket ${path} belongs to uid ${uid}, expected ${expected}; if that uid is trusted with credentials, ` +
        `set COFFER_SERVER_UID=${uid}`);
}
