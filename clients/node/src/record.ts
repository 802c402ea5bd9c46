import type { GetResponse } from "./generated/credentials.js";

const strictUTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const SOURCES: Record<number, Source> = { 1: "memory", 2: "vault", 3: "stale" };
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** Where an answer came from: the daemon's cache, the vault, or the cache in place of a vault that could not be asked. */
export type Source = "memory" | "vault" | "stale" | "unknown";

/**
 * A credential and what the daemon knows about it.
 *
 * What is printed, logged or made JSON of shows the size of the credential and never its bytes.
 */
export class CredentialRecord {
    readonly #message: GetResponse;
    /** What `bytes` has given out. */
    #copy: Uint8Array | undefined;
    #isWiped = false;

    /** @internal */
    constructor(message: GetResponse) { this.#message = message; }

    /** The credential as it was stored: memory of this record alone, which `wipe` overwrites. */
    bytes(): Uint8Array {
        this.#copy ??= Uint8Array.from(this.#shared());
        return this.#copy;
    }

    /** The credential as text; throws if it is not UTF-8. */
    text(): string {
        const bytes = this.#shared();
        try {
            return strictUTF8.decode(bytes);
        } catch {
            throw new TypeError(`the credential of ${this.size} bytes is not UTF-8 text; use bytes()`);
        }
    }

    /** The credential parsed as JSON; the error of what is none does not quote it. */
    json<T = unknown>(): T {
        const text = this.text();
        try {
            return JSON.parse(text) as T;
        } catch {
            throw new SyntaxError(`the credential of ${this.size} bytes is not JSON; use text() or bytes()`);
        }
    }

    /** How many bytes the credential has. */
    get size(): number { return this.#message.credential.length; }
    /** Opaque: equal exactly when the stored value is the same write. */
    get version(): string { return this.#message.version; }
    /** As they were stored. Not secret. */
    get labels(): Readonly<Record<string, string>> { return this.#message.labels; }
    /** When the record first came to be; kept by replacing it. */
    get createdAt(): Date { return new Date(Number(this.#message.createdAtMs)); }
    /** When this version was written. */
    get updatedAt(): Date { return new Date(Number(this.#message.updatedAtMs)); }
    /** From this moment on the record is not found; undefined = never. */
    get expiresAt(): Date | undefined { return timeOf(this.#message.expiresAtMs); }
    /** Where this answer came from. */
    get source(): Source { return this.#message.stale ? "stale" : SOURCES[this.#message.source] ?? "unknown"; }
    /** Milliseconds since the vault said so. */
    get ageMs(): number { return Number(this.#message.ageMs); }
    /** The record's format in the vault, if somebody else may have written it. */
    get foreignFormat(): string | undefined { return this.#message.foreignFormat || undefined; }

    /** Overwrites the credential's bytes. Texts that were made of it are not in reach. */
    wipe(): void {
        this.#message.credential.fill(0);
        this.#copy?.fill(0);
        this.#isWiped = true;
    }

    /** Behind it, in the same `ArrayBuffer`, may be other credentials: never given out. */
    #shared(): Uint8Array {
        if (this.#isWiped) throw new Error("the credential was wiped; use it before wipe()");
        return this.#message.credential;
    }

    /** The record without its credential. */
    toJSON(): object {
        const { size, version, labels, source, ageMs, expiresAt } = this;
        return { size, version, labels: { ...labels }, source, ageMs, ...(expiresAt && { expiresAt }) };
    }

    toString(): string { return `CredentialRecord (${this.size} bytes)`; }

    [INSPECT](_depth: number, _options: unknown, inspect?: (value: unknown) => string): string {
        return `CredentialRecord ${inspect ? inspect(this.toJSON()) : JSON.stringify(this)}`;
    }
}

/** @internal A time of the protocol; 0 = none. */
export function timeOf(milliseconds: number | bigint): Date | undefined {
    return milliseconds ? new Date(Number(milliseconds)) : undefined;
}
