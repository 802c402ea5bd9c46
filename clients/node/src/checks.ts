import { CofferError } from "./error.js";
import { requireWellFormed } from "./wire/writer.js";

// What is refused here, before anything is made of it: no daemon takes it. The narrower limits are the daemon's to check.

/** Of a credential, in bytes: the most that a daemon can be configured to take. */
const CREDENTIAL_BYTES = 1 << 20;
/** Of any text in a request; page tokens, the longest, have 8 KiB. */
const TEXT_LENGTH = 16 << 10;

/** Throws INVALID_ARGUMENT unless the value, where there is one, has this type. It is not repeated. */
export function isOptional(name: string, value: unknown, type: "string" | "number"): void {
    if (value !== undefined && typeof value !== type) {
        throw CofferError.badField(`${name}: expected a ${type}, got ${value === null ? "null" : typeof value}`);
    }
}

/** Throws INVALID_ARGUMENT unless the value, where there is one, is an object with no other names than these. */
export function checkNames(what: string, value: object | undefined, names: readonly string[]): void {
    if (value === undefined) return;
    if (typeof value !== "object" || value === null) {
        throw CofferError.badField(`${what}: expected an object, got ${value === null ? "null" : typeof value}`);
    }
    const unknown = Object.keys(value).find((name) => !names.includes(name));
    if (unknown === undefined) return;
    // What is not text for people is not repeated.
    const shown = /^[A-Za-z]{1,40}$/.test(unknown) ? unknown : "a name";
    throw CofferError.badField(`${what}: ${shown} is unknown; expected ${names.join(", ")}`);
}

export function checkText(name: string, text: string): void {
    if (typeof text !== "string") throw CofferError.badField(`${name}: expected a string, got ${text === null ? "null" : typeof text}`);
    if (text.length > TEXT_LENGTH) throw CofferError.badField(`${name}: expected at most ${TEXT_LENGTH} bytes, got more`);
}

/** Texts by name; `undefined` is left out, but for user and connection, which must be there. */
export function checkTexts(texts: Record<string, string | undefined>): void {
    for (const [name, text] of Object.entries(texts)) {
        if (text === undefined && name !== "user" && name !== "connection") continue;
        checkText(name, text as string);
    }
}

/** Throws INVALID_ARGUMENT unless the number, where there is one, is whole and in the range. */
export function checkWhole(name: string, value: number | undefined, least: number, most: number): void {
    isOptional(name, value, "number");
    if (value !== undefined && !(Number.isInteger(value) && value >= least && value <= most)) {
        throw CofferError.badField(`${name}: expected a whole number from ${least} to ${most}, got ${value}`);
    }
}

/** A copy of a credential that the caller wipes. */
export function checkCredential(value: Uint8Array | string): Uint8Array {
    if (typeof value !== "string" && !(value instanceof Uint8Array)) {
        throw CofferError.badField(`value: expected a Uint8Array or a string, got ${value === null ? "null" : typeof value}`);
    }
    // A string has at least as many bytes as UTF-16 units.
    if (value.length > CREDENTIAL_BYTES) throw tooLarge(value.length);
    if (typeof value !== "string") return Uint8Array.from(value);
    requireWellFormed("value", value);
    const size = Buffer.byteLength(value);
    if (size > CREDENTIAL_BYTES) throw tooLarge(size);
    const bytes = Buffer.allocUnsafeSlow(size);
    bytes.utf8Write(value, 0);
    return bytes;
}

function tooLarge(size: number): CofferError {
    return new CofferError(
        "INVALID_ARGUMENT",
        `credential: expected 1 to ${CREDENTIAL_BYTES} bytes, got ${size}; no daemon accepts more`,
        { reason: "CREDENTIAL_TOO_LARGE" });
}
