import type { Failure } from "./generated/credentials.js";

const CODES = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
] as const;

/** A status, by gRPC's name. Programs act on it. */
export type Code = Exclude<typeof CODES[number], "OK">;

/** Finer than the code; later daemons may add some, which show as UNSPECIFIED. */
const REASONS = new Map([
    [10, "MALFORMED"], [11, "BAD_FIELD"], [12, "UNKNOWN_METHOD"], [13, "FRAME_TOO_LARGE"],
    [14, "CREDENTIAL_TOO_LARGE"], [15, "DUPLICATE_CALL_ID"], [16, "NOT_SUPPORTED"], [30, "NOT_FOUND"],
    [31, "VERSION_MISMATCH"], [32, "ALREADY_EXISTS"], [40, "DENIED"], [41, "LIMIT"], [42, "CANCELLED"],
    [43, "DEADLINE"], [60, "DRAINING"], [61, "VAULT_UNREACHABLE"], [62, "VAULT_REFUSED"], [63, "VAULT_FAILED"],
    [64, "UNREADABLE_RECORD"], [65, "DISK"], [79, "INTERNAL"],
]);

/** A reason's name; UNSPECIFIED if it is none, or a later daemon's. */
export function reasonName(reason: number): string { return REASONS.get(reason) ?? "UNSPECIFIED"; }

/** Ends the message of a write whose outcome is not known. */
const MAY_HAVE_HAPPENED = "; a write may have happened";

function unexplained(code: Code): string { return `the daemon answered ${code} without an explanation`; }

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
export class CofferError extends Error {
    /** gRPC's status by name, for instance `NOT_FOUND`. */
    readonly code: Code;
    /** Finer than the code, for instance `VERSION_MISMATCH`; `UNSPECIFIED` if none is known. */
    readonly reason: string;
    /** Whether the same call may succeed later without a change. */
    readonly retryable: boolean;
    /** How many milliseconds the daemon advises to wait before a retry; absent = no advice. */
    declare readonly retryAfterMs?: number;
    /** The configured name of the vault concerned; absent if none was. */
    declare readonly vault?: string;
    /** The call may have changed something: a write whose outcome is not known. */
    readonly mayHaveHappened: boolean;

    constructor(code: Code, message: string, details: ErrorDetails = {}) {
        super(message, details.cause === undefined ? undefined : { cause: details.cause });
        this.code = code;
        this.reason = details.reason ?? "UNSPECIFIED";
        this.retryable = details.retryable ?? false;
        if (details.retryAfterMs !== undefined) this.retryAfterMs = details.retryAfterMs;
        if (details.vault) this.vault = details.vault;
        this.mayHaveHappened = details.mayHaveHappened ?? false;
    }

    /** @internal What the daemon has answered; `retryMs` 0 = no advice. `mayWrite`: to a call that changes something. */
    static answered(status: number, failure: Failure | undefined, retryMs = 0, mayWrite = false): CofferError {
        // A status of a later daemon counts as UNKNOWN.
        const code = status > 0 && status < CODES.length ? CODES[status] as Code : "UNKNOWN";
        // Without an explanation nobody knows.
        const suffix = mayWrite ? MAY_HAVE_HAPPENED : "";
        const message = failure ? failure.message || unexplained(code) : unexplained(code) + suffix;
        return new CofferError(code, message, {
            reason: REASONS.get(failure?.reason ?? 0), retryable: failure?.retryable, vault: failure?.vault,
            retryAfterMs: retryMs > 0 ? retryMs : undefined,
            mayHaveHappened: mayWrite && (failure?.mayHaveHappened ?? true),
        });
    }

    /** @internal */
    static badField(message: string): CofferError {
        return new CofferError("INVALID_ARGUMENT", message, { reason: "BAD_FIELD" });
    }

    /** @internal The peer sends what no daemon of this protocol would; its connection is closed. */
    static protocolViolation(what: string, reason = "MALFORMED"): CofferError {
        return new CofferError("INTERNAL", `${what}; the connection is closed: check that a cofferd is at the socket`, { reason });
    }

    /** @internal The same error of a call that was not answered, saying what may have come of it. */
    of(wasSent: boolean, mayWrite: boolean): CofferError {
        const suffix = !wasSent ? "; the call was not sent" : mayWrite ? MAY_HAVE_HAPPENED : "";
        return new CofferError(this.code, this.message + suffix, {
            reason: this.reason, retryable: this.retryable, retryAfterMs: this.retryAfterMs, vault: this.vault,
            mayHaveHappened: wasSent && mayWrite, cause: this.cause,
        });
    }
}
Object.defineProperty(CofferError.prototype, "name", { value: "CofferError", configurable: true, writable: true });
