import type { CancelSignal, Method } from "./channel.js";
import { CofferError } from "./error.js";
/** What becomes of a call's responses. */
export interface Sink<Response> {
    /** All but the last one; absent = the call has one response. */
    more?(response: Response): void;
    /** Forgets what has come, for the call is made again; false = it cannot be. */
    restart?(): boolean;
    last(response: Response): void;
    fail(error: unknown): void;
}
/** A call from its beginning to its end, over as many connections as it takes. */
export declare class Call<Request = any, Response = any> {
    readonly method: Method<Request, Response>;
    readonly request: Partial<Request>;
    /** By `performance.now()`. */
    readonly deadline: number;
    /** It changes something. */
    readonly mayWrite: boolean;
    readonly sink: Sink<Response>;
    /** Its id on the connection that has it. */
    id: number;
    /** The daemon may have got it, or a part of it. */
    isSent: boolean;
    isOver: boolean;
    /** Where its frame stands in what is still to be sent, and how long that is. */
    frameStart: number;
    frameBytes: number;
    /** Ends listening to the caller's signal. */
    stopListening: (() => void) | undefined;
    private repeats;
    constructor(method: Method<Request, Response>, request: Partial<Request>, 
    /** By `performance.now()`. */
    deadline: number, 
    /** It changes something. */
    mayWrite: boolean, sink: Sink<Response>);
    /** Whether the call may be made once more, and counts that it is. */
    repeat(wasCarriedOut: "no" | "perhaps"): boolean;
    succeed(response: Response): void;
    fail(error: unknown): void;
    /** The call was given up; `isSent` says what may have come of it. */
    giveUp(error: CofferError): void;
    listen(signal: CancelSignal, onAbort: () => void): void;
    private end;
}
