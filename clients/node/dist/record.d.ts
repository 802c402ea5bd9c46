declare const INSPECT: unique symbol;
/** Where an answer came from: the daemon's cache, the vault, or the cache in place of a vault that could not be asked. */
export declare type Source = "memory" | "vault" | "stale" | "unknown";
/**
 * A credential and what the daemon knows about it.
 *
 * What is printed, logged or made JSON of shows the size of the credential and never its bytes.
 */
export declare class CredentialRecord {
    #private;
    /** The credential as it was stored: memory of this record alone, which `wipe` overwrites. */
    bytes(): Uint8Array;
    /** The credential as text; throws if it is not UTF-8. */
    text(): string;
    /** The credential parsed as JSON; the error of what is none does not quote it. */
    json<T = unknown>(): T;
    /** How many bytes the credential has. */
    get size(): number;
    /** Opaque: equal exactly when the stored value is the same write. */
    get version(): string;
    /** As they were stored. Not secret. */
    get labels(): Readonly<Record<string, string>>;
    /** When the record first came to be; kept by replacing it. */
    get createdAt(): Date;
    /** When this version was written. */
    get updatedAt(): Date;
    /** From this moment on the record is not found; undefined = never. */
    get expiresAt(): Date | undefined;
    /** Where this answer came from. */
    get source(): Source;
    /** Milliseconds since the vault said so. */
    get ageMs(): number;
    /** The record's format in the vault, if somebody else may have written it. */
    get foreignFormat(): string | undefined;
    /** Overwrites the credential's bytes. Texts that were made of it are not in reach. */
    wipe(): void;
    /** The record without its credential. */
    toJSON(): object;
    toString(): string;
    [INSPECT](_depth: number, _options: unknown, inspect?: (value: unknown) => string): string;
}
export {};
