import type { UInt64 } from "./message.js";
/** The bytes before every payload. */
export declare const HEADER_BYTES = 24;
/** The part of the header that the length field counts. */
export declare const COUNTED_BYTES = 20;
/** The largest frame of the protocol, header included. */
export declare const MAXIMUM_FRAME_BYTES: number;
/** Another response to the same call follows. */
export declare const MORE = 1;
/** What the version byte holds. */
export declare const VERSION = 1;
/** What a frame is for. */
export declare const Kind: {
    readonly REQUEST: 1;
    readonly RESPONSE: 2;
    readonly CANCEL: 3;
    readonly GO_AWAY: 4;
};
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
export declare function uint32At(memory: Uint8Array, at: number): number;
/** Reads the call id of the frame at `at`. */
export declare function callIdAt(memory: Uint8Array, at: number): UInt64;
/** Reads the header of the frame at `at`. */
export declare function headerAt(memory: Uint8Array, at: number): Header;
/** Writes the header of a frame that takes `byteCount` bytes with it. */
export declare function putHeader(memory: Uint8Array, at: number, byteCount: number, kind: number, callId: UInt64, methodOrStatus?: number, timeoutOrRetry?: number, flags?: number): void;
