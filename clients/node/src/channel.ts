import type { Reader } from "./wire/reader.js";
import type { Writer } from "./wire/writer.js";

/** What ends a call early: an `AbortSignal`, or anything that behaves like one. */
export interface CancelSignal {
    readonly aborted: boolean;
    readonly reason?: unknown;
    addEventListener(type: "abort", listener: () => void): void;
    removeEventListener(type: "abort", listener: () => void): void;
}

/** What every call may be given. */
export interface CallOptions {
    /** How long the call may take, in milliseconds; the client's `timeoutMs` if it is not given. */
    timeoutMs?: number;
    /** Ends the call with CANCELLED; the daemon is told. */
    signal?: CancelSignal;
}

/** A method as frames name it. */
export interface Method<Request, Response> {
    readonly id: number;
    readonly fullName: string;
    readonly streamsResponse: boolean;
    encode(request: Partial<Request>, writer: Writer): void;
    decode(reader: Reader, end: number): Response;
}

/** What carries calls. The generated stubs are on top of it. */
export interface Channel {
    /** A call with one response. */
    response<Request, Response>(
        method: Method<Request, Response>, request: Partial<Request>, options?: CallOptions): Promise<Response>;
    /** A call with several responses, as they come. */
    responses<Request, Response>(
        method: Method<Request, Response>, request: Partial<Request>, options?: CallOptions): AsyncIterable<Response>;
}
