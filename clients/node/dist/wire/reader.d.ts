import type { UInt64 } from "./message.js";
/** The value of a `bytes` field that did not come. */
export declare const NO_BYTES: Uint8Array;
/** The value of a map that did not come. */
export declare const NO_TEXTS: Readonly<Record<string, string>>;
/** Why bytes are no message. Its text holds none of them. */
export declare class DecodeFault extends Error {
}
/** Reads protobuf, and refuses all that could be read in two ways. */
export declare class Reader {
    /** Where the next byte is read. */
    at: number;
    private bytes_;
    private buffer;
    /** A field's number and wire type. */
    tag(end: number): number;
    /** Marks the bits of a field, or of all members of its oneof; none of them may be marked yet. */
    once(seen: number, bits: number): number;
    /** Counts one more element of a repeated or map field. */
    element(count: number): number;
    /**
     * Skips a field of a newer daemon and counts it.
     *
     * @param known a bit for each field's number; one of them has come with the wrong wire type
     */
    unknown(tag: number, end: number, known: number, count: number, most?: number): number;
    /** The end of what a length announces. */
    delimited(end: number): number;
    /** A copy. Its `buffer` may hold others' too: it is not for programs. */
    bytes(end: number): Uint8Array;
    /** Well-formed UTF-8 without U+0000. */
    text(end: number): string;
    uint32(end: number): number;
    uint64(end: number): UInt64;
    enumeration(end: number): number;
    bool(end: number): boolean;
    /** Adds an entry to a map of texts; the first one makes the map. */
    entry(map: Readonly<Record<string, string>>, outer: number): Readonly<Record<string, string>>;
    private skip;
    /** At most 10 bytes, in the shortest form. */
    private varint;
    private longVarint;
}
