"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.putHeader = exports.headerAt = exports.callIdAt = exports.uint32At = exports.Kind = exports.VERSION = exports.MORE = exports.MAXIMUM_FRAME_BYTES = exports.COUNTED_BYTES = exports.HEADER_BYTES = void 0;
/** The bytes before every payload. */
exports.HEADER_BYTES = 24;
/** The part of the header that the length field counts. */
exports.COUNTED_BYTES = 20;
/** The largest frame of the protocol, header included. */
exports.MAXIMUM_FRAME_BYTES = (1 << 20) + (64 << 10);
/** Another response to the same call follows. */
exports.MORE = 1;
/** What the version byte holds. */
exports.VERSION = 1;
/** What a frame is for. */
exports.Kind = { REQUEST: 1, RESPONSE: 2, CANCEL: 3, GO_AWAY: 4 };
/** Reads the 32 bits at `at`. */
function uint32At(memory, at) {
    return memory[at] * 0x1000000 + (memory[at + 1] << 16 | memory[at + 2] << 8 | memory[at + 3]);
}
exports.uint32At = uint32At;
function putUint32(memory, at, value) {
    memory[at] = value >>> 24;
    memory[at + 1] = value >>> 16;
    memory[at + 2] = value >>> 8;
    memory[at + 3] = value;
}
/** Reads the call id of the frame at `at`. */
function callIdAt(memory, at) {
    const high = uint32At(memory, at + 8);
    const low = uint32At(memory, at + 12);
    return high < 0x200000 ? high * 0x100000000 + low : BigInt(high) << 32n | BigInt(low);
}
exports.callIdAt = callIdAt;
/** Reads the header of the frame at `at`. */
function headerAt(memory, at) {
    return {
        version: memory[at + 4], kind: memory[at + 5], flags: memory[at + 6] << 8 | memory[at + 7],
        callId: callIdAt(memory, at), methodOrStatus: uint32At(memory, at + 16), timeoutOrRetry: uint32At(memory, at + 20),
    };
}
exports.headerAt = headerAt;
/** Writes the header of a frame that takes `byteCount` bytes with it. */
function putHeader(memory, at, byteCount, kind, callId, methodOrStatus = 0, timeoutOrRetry = 0, flags = 0) {
    putUint32(memory, at, byteCount - 4);
    memory[at + 4] = exports.VERSION;
    memory[at + 5] = kind;
    memory[at + 6] = flags >>> 8;
    memory[at + 7] = flags;
    const isLong = typeof callId === "bigint";
    putUint32(memory, at + 8, isLong ? Number(callId >> 32n) : Math.floor(callId / 0x100000000));
    putUint32(memory, at + 12, isLong ? Number(callId & 0xffffffffn) : callId % 0x100000000);
    putUint32(memory, at + 16, methodOrStatus);
    putUint32(memory, at + 20, timeoutOrRetry);
}
exports.putHeader = putHeader;
