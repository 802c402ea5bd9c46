import { type Socket } from "node:net";
import { CofferError } from "./error.js";
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
export declare function connectToDaemon(path: string, trust: Trust, onread: {
    buffer: Uint8Array;
    callback(count: number): boolean;
}): Socket;
/** What an error of the system means. */
export declare function failure(path: string, error: unknown): ConnectFailure;
