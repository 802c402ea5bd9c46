"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.CofferError = void 0;
const CODES = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
];
/** Finer than the code; later daemons may add some, which show as UNSPECIFIED. */
const REASONS = new Map([
    [10, "MALFORMED"], [11, "BAD_FIELD"], [12, "UNKNOWN_METHOD"], [13, "FRAME_TOO_LARGE"],
    [14, "CREDENTIAL_TOO_LARGE"], [15, "DUPLICATE_CALL_ID"], [16, "NOT_SUPPORTED"], [30, "NOT_FOUND"],
    [31, "VERSION_MISMATCH"], [32, "ALREADY_EXISTS"], [40, "DENIED"], [41, "LIMIT"], [42, "CANCELLED"],
    [43, "DEADLINE"], [60, "DRAINING"], [61, "VAULT_UNREACHABLE"], [62, "VAULT_REFUSED"], [63, "VAULT_FAILED"],
    [64, "UNREADABLE_RECORD"], [65, "DISK"], [79, "INTERNAL"],
]);
/**
 * Why a call failed: what the daemon answered, or what the client found.
 *
 * Act on `code`; the message is for people. No error holds a credential, a token or a vault's own text.
 */
class CofferError extends Error {
    /** gRPC's status by name, for instance `NOT_FOUND`. */
    code;
    /** Finer than the code, for instance `VERSION_MISMATCH`; `UNSPECIFIED` if none is known. */
    reason;
    /** Whether the same call may succeed later without a change. */
    retryable;
    /** The call may have changed something: a write that was sent and not answered. */
    mayHaveHappened;
    constructor(code, message, details = {}) {
        super(message, details.cause === undefined ? undefined : { cause: details.cause });
        this.code = code;
        this.reason = details.reason ?? "UNSPECIFIED";
        this.retryable = details.retryable ?? false;
        if (details.retryAfterMs !== undefined)
            this.retryAfterMs = details.retryAfterMs;
        if (details.vault)
            this.vault = details.vault;
        this.mayHaveHappened = details.mayHaveHappened ?? false;
    }
    /** @internal What the daemon has answered; `retryMs` 0 = no advice. `mayWrite`: to a call that changes something. */
    static answered(status, failure, retryMs = 0, mayWrite = false) {
        // A status of a later daemon counts as UNKNOWN.
        const code = status > 0 && status < CODES.length ? CODES[status] : "UNKNOWN";
        return new CofferError(code, failure?.message || `the daemon answered ${code} without an explanation`, {
            reason: REASONS.get(failure?.reason ?? 0), retryable: failure?.retryable, vault: failure?.vault,
            retryAfterMs: retryMs > 0 ? retryMs : undefined,
            // Without an explanation nobody knows.
            mayHaveHappened: mayWrite && (failure?.mayHaveHappened ?? true),
        });
    }
    /** @internal */
    static badField(message) {
        return new CofferError("INVALID_ARGUMENT", message, { reason: "BAD_FIELD" });
    }
    /** @internal The peer sends what no daemon of this protocol would; its connection is closed. */
    static protocolViolation(what, reason = "MALFORMED") {
        return new CofferError("INTERNAL", `${what}; the connection is closed: is a cofferd at the socket?`, { reason });
    }
    /** @internal The same error of a call that was not answered, saying what may have come of it. */
    of(wasSent, mayWrite) {
        const suffix = !wasSent ? "; the call was not sent" : mayWrite ? "; a write may have happened" : "";
        return new CofferError(this.code, this.message + suffix, {
            reason: this.reason, retryable: this.retryable, retryAfterMs: this.retryAfterMs, vault: this.vault,
            mayHaveHappened: wasSent && mayWrite, cause: this.cause,
        });
    }
}
exports.CofferError = CofferError;
Object.defineProperty(CofferError.prototype, "name", { value: "CofferError", configurable: true, writable: true });
