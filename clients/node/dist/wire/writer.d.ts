import type { UInt64 } from "./message.js";
/** Throws INVALID_ARGUMENT unless the text has a UTF-8 form; nothing is replaced in silence. */
export declare function requireWellFormed(name: string, text: string): void;
/** Writes protobuf and frames into memory that grows and is wiped. */
export declare class Writer {
    /** Where the next byte is written. */
    at: number;
    /** Makes room for so many bytes more. */
    reserve(count: number): void;
    /** Takes back all from `start` on. */
    truncate(start: number): void;
    /** Takes `count` bytes at `start` out; those behind move up. */
    remove(start: number, count: number): void;
    text(tag: number, text: string, name: string): void;
    bytes(tag: number, bytes: Uint8Array): void;
    uint32(tag: number, value: number, name: string): void;
    uint64(tag: number, value: UInt64, name: string): void;
    bool(tag: number, value: boolean): void;
    /** A map, in the order of its keys' code points. */
    texts(tag: number, map: Readonly<Record<string, string>>, name: string): void;
    /** Begins a message inside of one; its length is filled in by `end`. */
    begin(tag: number): number;
    /** @param start what `begin` gave */
    end(start: number): void;
    /** Writes at `at`, for which there is room, and says where it ends. */
    private varint;
    private longVarint;
}
