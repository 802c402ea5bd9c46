import type { UInt64 } from "./message.js";

/** The bytes before every payload. */
export const HEADER_BYTES = 24;
/** The part of the header that the length field counts. */
export const COUNTED_BYTES = 20;
/** The largest frame of the protocol, header included. */
export const MAXIMUM_FRAME_BYTES = (1 << 20) + (64 << 10);
/** Another response to the same call follows. */
export const MORE = 1;
/** What the version byte holds. */
export const VERSION = 1;

/** What a frame is for. */
export const Kind = { REQUEST: 1, RESPONSE: 2, CANCEL: 3, GO_AWAY: 4 } as const;

/** The fields of a header, but for its length. */
export interface Header {
    version: number;
    kind: number;
    flags: number;
    /** Our own ids are numbers. */
    callId: UInt64;
    /** Of a request the method's id, of a response its status. */
    methodOrStatus: number;
    /** Of a request its timeout, of a response the retry advice; milliseconds, 0 = none. */
    timeoutOrRetry: number;
}

/** Reads the 32 bits at `at`. */
export function uint32At(memory: Uint8Array, at: number): number {
    return memory[at] * 0x1000000 + (memory[at + 1] << 16 | memory[at + 2] << 8 | memory[at + 3]);
}

function putUint32(memory: Uint8Array, at: number, value: number): void {
    memory[at] = value >>> 24;
    memory[at + 1] = value >>> 16;
    memory[at + 2] = value >>> 8;
    memory[at + 3] = value;
}

/** Reads the call id of the frame at `at`. */
export function callIdAt(memory: Uint8Array, at: number): UInt64 {
    const high = uint32At(memory, at + 8);
    const low = uint32At(memory, at + 12);
    return high < 0x200000 ? high * 0x100000000 + low : BigInt(high) << 32n | BigInt(low);
}

/** Reads the header of the frame at `at`. */
export function headerAt(memory: Uint8Array, at: number): Header {
    return {
        version: memory[at + 4], kind: memory[at + 5], flags: memory[at + 6] << 8 | memory[at + 7],
        callId: callIdAt(memory, at), methodOrStatus: uint32At(memory, at + 16), timeoutOrRetry: uint32At(memory, at + 20),
    };
}

/** Writes the header of a frame that takes `byteCount` bytes with it. */
export function putHeader(
    memory: Uint8Array, at: number, byteCount: number, kind: number, callId: UInt64, methodOrStatus = 0,
    timeoutOrRetry = 0, flags = 0,
): void {
    putUint32(memory, at, byteCount - 4);
    memory[at + 4] = VERSION;
    memory[at + 5] = kind;
    memory[at + 6] = flags >>> 8;
    memory[at + 7] = flags;
    const isLong = typeof callId === "bigint";
    putUint32(memory, at + 8, isLong ? Number(callId >> 32n) : Math.floor(callId / 0x100000000));
    putUint32(memory, at + 12, isLong ? Number(callId & 0xffffffffn) : callId % 0x100000000);
    putUint32(memory, at + 16, methodOrStatus);
    putUint32(memory, at + 20, timeoutOrRetry);
}
