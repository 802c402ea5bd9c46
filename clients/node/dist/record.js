"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.timeOf = exports.CredentialRecord = void 0;
const strictUTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const SOURCES = { 1: "memory", 2: "vault", 3: "stale" };
const INSPECT = Symbol.for("nodejs.util.inspect.custom");
/**
 * A credential and what the daemon knows about it.
 *
 * What is printed, logged or made JSON of shows the size of the credential and never its bytes.
 */
class CredentialRecord {
    #message;
    /** What `bytes` has given out. */
    #copy;
    #isWiped = false;
    /** @internal */
    constructor(message) { this.#message = message; }
    /** The credential as it was stored: memory of this record alone, which `wipe` overwrites. */
    bytes() {
        this.#copy ??= Uint8Array.from(this.#shared());
        return this.#copy;
    }
    /** The credential as text; throws if it is not UTF-8. */
    text() {
        const bytes = this.#shared();
        try {
            return strictUTF8.decode(bytes);
        }
        catch {
            throw new TypeError(`the credential of ${this.size} bytes is not UTF-8 text; use bytes()`);
        }
    }
    /** The credential parsed as JSON; the error of what is none does not quote it. */
    json() {
        const text = this.text();
        try {
            return JSON.parse(text);
        }
        catch {
            throw new SyntaxError(`the credential of ${this.size} bytes is not JSON; use text() or bytes()`);
        }
    }
    /** How many bytes the credential has. */
    get size() { return this.#message.credential.length; }
    /** Opaque: equal exactly when the stored value is the same write. */
    get version() { return this.#message.version; }
    /** As they were stored. Not secret. */
    get labels() { return this.#message.labels; }
    /** When the record first came to be; kept by replacing it. */
    get createdAt() { return new Date(Number(this.#message.createdAtMs)); }
    /** When this version was written. */
    get updatedAt() { return new Date(Number(this.#message.updatedAtMs)); }
    /** From this moment on the record is not found; undefined = never. */
    get expiresAt() { return timeOf(this.#message.expiresAtMs); }
    /** Where this answer came from. */
    get source() { return this.#message.stale ? "stale" : SOURCES[this.#message.source] ?? "unknown"; }
    /** Milliseconds since the vault said so. */
    get ageMs() { return Number(this.#message.ageMs); }
    /** The record's format in the vault, if somebody else may have written it. */
    get foreignFormat() { return this.#message.foreignFormat || undefined; }
    /** Overwrites the credential's bytes. Texts that were made of it are not in reach. */
    wipe() {
        this.#message.credential.fill(0);
        this.#copy?.fill(0);
        this.#isWiped = true;
    }
    /** Behind it, in the same `ArrayBuffer`, may be other credentials: never given out. */
    #shared() {
        if (this.#isWiped)
            throw new Error("the credential was wiped; use it before wipe()");
        return this.#message.credential;
    }
    /** The record without its credential. */
    toJSON() {
        const { size, version, labels, source, ageMs, expiresAt } = this;
        return { size, version, labels: { ...labels }, source, ageMs, ...(expiresAt && { expiresAt }) };
    }
    toString() { return `CredentialRecord (${this.size} bytes)`; }
    [INSPECT](_depth, _options, inspect) {
        return `CredentialRecord ${inspect ? inspect(this.toJSON()) : JSON.stringify(this)}`;
    }
}
exports.CredentialRecord = CredentialRecord;
/** @internal A time of the protocol; 0 = none. */
function timeOf(milliseconds) {
    return milliseconds ? new Date(Number(milliseconds)) : undefined;
}
exports.timeOf = timeOf;
