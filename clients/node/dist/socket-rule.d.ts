/**
 * Where the daemon of this user listens unless it is told otherwise: PROTOCOL.md, "Where the socket is". In a setuid
 * program no variable counts.
 */
export declare function defaultSocketPath(): string;
/** The last resort. Anybody can make a folder of this name in /tmp, so it is checked before it is used. */
export declare function temporaryPath(uid: number): string;
/** A variable of the environment; undefined in a setuid program, and for an empty one. */
export declare function variable(name: string): string | undefined;
