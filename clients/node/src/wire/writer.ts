import { CofferError } from "../error.js";
import type { UInt64 } from "./message.js";

/** What is not well-formed UTF-16: a surrogate without its partner. */
const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/** Throws INVALID_ARGUMENT unless the text has a UTF-8 form; nothing is replaced in silence. */
export function requireWellFormed(name: string, text: string): void {
    if (LONE_SURROGATE.test(text)) {
        throw CofferError.badField(`${name}: holds half of a surrogate pair, expected well-formed text`);
    }
}

/** Writes protobuf and frames into memory that grows and is wiped. */
export class Writer {
    /** Where the next byte is written. */
    at = 0;
    /** @internal What was written is in front of `at`. */
    memory: Buffer;

    /** @internal */
    constructor(memory: Buffer) { this.memory = memory; }

    /** Makes room for so many bytes more. */
    reserve(count: number): void {
        const needed = this.at + count;
        if (needed <= this.memory.length) return;
        const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.memory.length, needed));
        larger.set(this.memory.subarray(0, this.at));
        this.memory.fill(0, 0, this.at);
        this.memory = larger;
    }

    /** Takes back all from `start` on. */
    truncate(start: number): void {
        this.memory.fill(0, start, this.at);
        this.at = start;
    }

    /** Takes `count` bytes at `start` out; those behind move up. */
    remove(start: number, count: number): void {
        this.memory.copyWithin(start, start + count, this.at);
        this.truncate(this.at - count);
    }

    text(tag: number, text: string, name: string): void {
        const length = text.length;
        this.reserve(3 * length + 12);
        const start = this.at;
        const memory = this.memory;
        if (length < 128) {
            let at = this.varint(tag, start);
            memory[at++] = length;
            let index = 0;
            for (; index < length; index++) {
                const unit = text.charCodeAt(index);
                if (unit >= 0x80) break;
                memory[at++] = unit;
            }
            if (index === length) {
                this.at = at;
                return;
            }
        }
        requireWellFormed(name, text);
        let at = this.varint(tag, start);
        at = this.varint(Buffer.byteLength(text), at);
        this.at = at + memory.utf8Write(text, at);
    }

    bytes(tag: number, bytes: Uint8Array): void {
        this.reserve(bytes.length + 12);
        const at = this.varint(bytes.length, this.varint(tag, this.at));
        this.memory.set(bytes, at);
        this.at = at + bytes.length;
    }

    uint32(tag: number, value: number, name: string): void {
        if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) {
            throw CofferError.badField(`${name}: expected a whole number from 0 to 4294967295`);
        }
        this.reserve(12);
        this.at = this.varint(value, this.varint(tag, this.at));
    }

    uint64(tag: number, value: UInt64, name: string): void {
        const isRight = typeof value === "bigint" ? value >= 0n && value < 1n << 64n : Number.isSafeInteger(value) && value >= 0;
        if (!isRight) throw CofferError.badField(`${name}: expected a whole number from 0 to 2^64 - 1`);
        this.reserve(22);
        const at = this.varint(tag, this.at);
        this.at = typeof value === "bigint" ? this.longVarint(value, at) : this.varint(value, at);
    }

    bool(tag: number, value: boolean): void {
        this.reserve(12);
        this.at = this.varint(value ? 1 : 0, this.varint(tag, this.at));
    }

    /** A map, in the order of its keys' code points. */
    texts(tag: number, map: Readonly<Record<string, string>>, name: string): void {
        const keys = Object.keys(map);
        if (keys.length > 1) keys.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        for (const key of keys) {
            const start = this.begin(tag);
            this.text(0x0a, key, name);
            if (map[key]) this.text(0x12, map[key], name);
            this.end(start);
        }
    }

    /** Begins a message inside of one; its length is filled in by `end`. */
    begin(tag: number): number {
        this.reserve(12);
        this.at = this.varint(tag, this.at) + 1;
        return this.at;
    }

    /** @param start what `begin` gave */
    end(start: number): void {
        const length = this.at - start;
        if (length >= 128) {
            this.reserve(5);
            const more = (length >= 1 << 21 ? 4 : length >= 1 << 14 ? 3 : 2) - 1;
            this.memory.copyWithin(start + more, start, this.at);
            this.at += more;
        }
        this.varint(length, start - 1);
    }

    /** Writes at `at`, for which there is room, and says where it ends. */
    private varint(value: number, at: number): number {
        const memory = this.memory;
        let rest = value;
        while (rest >= 0x80) {
            memory[at++] = rest % 0x80 + 0x80;
            rest = Math.floor(rest / 0x80);
        }
        memory[at] = rest;
        return at + 1;
    }

    private longVarint(value: bigint, at: number): number {
        let rest = value;
        while (rest >= 0x80n) {
            this.memory[at++] = Number(rest & 0x7fn) + 0x80;
            rest >>= 7n;
        }
        this.memory[at] = Number(rest);
        return at + 1;
    }
}
