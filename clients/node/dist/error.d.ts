declare const CODES: readonly ["OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"];
/** A status, by gRPC's name. Programs act on it. */
export declare type Code = Exclude<typeof CODES[number], "OK">;
/** What an error says beside its code and text. */
export interface ErrorDetails {
    reason?: string;
    retryable?: boolean;
    retryAfterMs?: number;
    vault?: string;
    mayHaveHappened?: boolean;
    cause?: unknown;
}
/**
 * Why a call failed: what the daemon answered, or what the client found.
 *
 * Act on `code`; the message is for people. No error holds a credential, a token or a vault's own text.
 */
export declare class CofferError extends Error {
    /** gRPC's status by name, for instance `NOT_FOUND`. */
    readonly code: Code;
    /** Finer than the code, for instance `VERSION_MISMATCH`; `UNSPECIFIED` if none is known. */
    readonly reason: string;
    /** Whether the same call may succeed later without a change. */
    readonly retryable: boolean;
    /** How many milliseconds the daemon advises to wait before a retry; absent = no advice. */
    readonly retryAfterMs?: number;
    /** The configured name of the vault concerned; absent if none was. */
    readonly vault?: string;
    /** The call may have changed something: a write that was sent and not answered. */
    readonly mayHaveHappened: boolean;
    constructor(code: Code, message: string, details?: ErrorDetails);
}
export {};
