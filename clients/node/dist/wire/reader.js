"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.Reader = exports.DecodeFault = exports.NO_TEXTS = exports.NO_BYTES = void 0;
/** The value of a `bytes` field that did not come. */
exports.NO_BYTES = new Uint8Array(0);
/** The value of a map that did not come. */
exports.NO_TEXTS = Object.freeze(Object.create(null));
/** What a message may hold, by PROTOCOL.md, "Beyond plain protobuf". */
const MAXIMUM_UNKNOWN_FIELDS = 1024;
const MAXIMUM_ELEMENTS = 1024;
const MAXIMUM_FIELD_NUMBER = 0x1fffffff;
/** Why bytes are no message. Its text holds none of them. */
class DecodeFault extends Error {
}
exports.DecodeFault = DecodeFault;
/** Copies of up to this size share memory, as allocating some for each takes longer than all else of a call. */
const SHARED_BYTES = 2 << 10;
const SLAB_BYTES = 8 << 10;
let slab = new Uint8Array(0);
let slabUsed = 0;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Reads protobuf, and refuses all that could be read in two ways. */
class Reader {
    /** Where the next byte is read. */
    at = 0;
    bytes_ = exports.NO_BYTES;
    buffer = Buffer.from(exports.NO_BYTES.buffer);
    /** @internal */
    constructor(memory) { this.reset(memory, 0); }
    /** @internal Goes on at `at` of `memory`, which is not copied. */
    reset(memory, at) {
        if (this.buffer !== memory) {
            this.buffer = memory;
            // Slices of it are no Buffers, whose slices share memory.
            this.bytes_ = new Uint8Array(memory.buffer, memory.byteOffset, memory.length);
        }
        this.at = at;
    }
    /** A field's number and wire type. */
    tag(end) {
        const first = this.bytes_[this.at];
        const tag = first < 0x80 ? (this.at++, first) : this.varint(end);
        const number = typeof tag === "number" ? Math.floor(tag / 8) : MAXIMUM_FIELD_NUMBER + 1;
        if (number === 0 || number > MAXIMUM_FIELD_NUMBER)
            throw new DecodeFault("a field number is 1 to 536870911");
        return tag;
    }
    /** Marks the bits of a field, or of all members of its oneof; none of them may be marked yet. */
    once(seen, bits) {
        if ((seen & bits) !== 0)
            throw new DecodeFault("a field, or a second member of a oneof, appears twice");
        return seen | bits;
    }
    /** Counts one more element of a repeated or map field. */
    element(count) {
        if (count >= MAXIMUM_ELEMENTS)
            throw new DecodeFault(`more than ${MAXIMUM_ELEMENTS} elements`);
        return count + 1;
    }
    /**
     * Skips a field of a newer daemon and counts it.
     *
     * @param known a bit for each field's number; one of them has come with the wrong wire type
     */
    unknown(tag, end, known, count, most = MAXIMUM_UNKNOWN_FIELDS) {
        const number = Math.floor(tag / 8);
        if (number < 32 && (known >>> number & 1) === 1)
            throw new DecodeFault("not the wire type of this field");
        if (count >= most)
            throw new DecodeFault("too many unknown fields");
        switch (tag & 7) {
            case 0:
                this.varint(end);
                break;
            case 1:
                this.skip(8, end);
                break;
            case 2:
                this.at = this.delimited(end);
                break;
            case 5:
                this.skip(4, end);
                break;
            default: throw new DecodeFault("groups are not accepted");
        }
        return count + 1;
    }
    /** The end of what a length announces. */
    delimited(end) {
        const length = this.varint(end);
        // A BigInt is over 2^53, and so over `end` too.
        if (length > end - this.at)
            throw new DecodeFault("a length goes beyond the end");
        return this.at + length;
    }
    /** A copy. Its `buffer` may hold others' too: it is not for programs. */
    bytes(end) {
        const stop = this.delimited(end);
        const from = this.at;
        const length = stop - from;
        this.at = stop;
        if (length > SHARED_BYTES)
            return this.bytes_.slice(from, stop);
        if (slabUsed + length > slab.length) {
            slab = new Uint8Array(SLAB_BYTES);
            slabUsed = 0;
        }
        const copy = slab.subarray(slabUsed, slabUsed + length);
        copy.set(this.bytes_.subarray(from, stop));
        slabUsed += length;
        return copy;
    }
    /** Well-formed UTF-8 without U+0000. */
    text(end) {
        const start = this.at;
        const stop = this.delimited(end);
        const from = this.at;
        this.at = stop;
        if (from === stop)
            return "";
        let isASCII = true;
        for (let index = from; index < stop; index++) {
            const byte = this.bytes_[index];
            if (byte === 0)
                throw new DecodeFault("U+0000 is not allowed in text");
            if (byte >= 0x80)
                isASCII = false;
        }
        if (isASCII)
            return this.buffer.latin1Slice(from, stop);
        try {
            return utf8.decode(this.bytes_.subarray(from, stop));
        }
        catch {
            this.at = start;
            throw new DecodeFault("not valid UTF-8");
        }
    }
    uint32(end) {
        const value = this.varint(end);
        if (value > 0xffffffff)
            throw new DecodeFault("over 32 bits");
        return value;
    }
    uint64(end) { return this.varint(end); }
    enumeration(end) {
        const value = this.varint(end);
        if (value > 0x7fffffff)
            throw new DecodeFault("over 31 bits");
        return value;
    }
    bool(end) {
        const value = this.varint(end);
        if (value > 1)
            throw new DecodeFault("a bool is 0 or 1");
        return value === 1;
    }
    /** Adds an entry to a map of texts; the first one makes the map. */
    entry(map, outer) {
        const end = this.delimited(outer);
        let seen = 0;
        let key = "", value = "";
        while (this.at < end) {
            const tag = this.tag(end);
            switch (tag) {
                case 0x0a:
                    seen = this.once(seen, 1);
                    key = this.text(end);
                    break;
                case 0x12:
                    seen = this.once(seen, 2);
                    value = this.text(end);
                    break;
                default: this.unknown(tag, end, 0x06, 0, 0);
            }
        }
        // Without a prototype every text is a key like any other, `__proto__` too.
        const result = map === exports.NO_TEXTS ? Object.create(null) : map;
        if (key in result)
            throw new DecodeFault("a map has a key twice");
        result[key] = value;
        return result;
    }
    skip(count, end) {
        if (count > end - this.at)
            throw new DecodeFault("a value goes beyond the end");
        this.at += count;
    }
    /** At most 10 bytes, in the shortest form. */
    varint(end) {
        const bytes = this.bytes_;
        let at = this.at;
        let value = 0, scale = 1;
        // 7 bytes, 49 bits: exact in a number.
        for (let count = 0; count < 7; count++) {
            if (at >= end)
                throw new DecodeFault("a value goes beyond the end");
            const byte = bytes[at++];
            value += (byte & 0x7f) * scale;
            if (byte < 0x80) {
                if (byte === 0 && count > 0)
                    throw new DecodeFault("a varint is not in its shortest form");
                this.at = at;
                return value;
            }
            scale *= 128;
        }
        return this.longVarint(value, at, end);
    }
    longVarint(low, start, end) {
        let at = start;
        let value = BigInt(low);
        for (let shift = 49n; shift < 70n; shift += 7n) {
            if (at >= end)
                throw new DecodeFault("a value goes beyond the end");
            const byte = this.bytes_[at++];
            if (shift === 63n && byte > 1)
                break;
            value |= BigInt(byte & 0x7f) << shift;
            if (byte < 0x80) {
                if (byte === 0)
                    throw new DecodeFault("a varint is not in its shortest form");
                this.at = at;
                return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
            }
        }
        throw new DecodeFault("a varint is over 64 bits");
    }
}
exports.Reader = Reader;
