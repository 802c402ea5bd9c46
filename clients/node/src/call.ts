import type { CancelSignal, Method } from "./channel.js";
import { CofferError } from "./error.js";

/** How often a call is made again that was not carried out, or changes nothing. */
const MAXIMUM_REPEATS = 3;

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
export class Call<Request = any, Response = any> {
    /** Its id on the connection that has it. */
    id = 0;
    /** The daemon may have got it, or a part of it. */
    isSent = false;
    isOver = false;
    /** Where its frame stands in what is still to be sent, and how long that is. */
    frameStart = 0;
    frameBytes = 0;
    /** Ends listening to the caller's signal. */
    stopListening: (() => void) | undefined;
    private repeats = 0;

    constructor(
        readonly method: Method<Request, Response>,
        readonly request: Partial<Request>,
        /** By `performance.now()`. */
        readonly deadline: number,
        /** It changes something. */
        readonly mayWrite: boolean,
        readonly sink: Sink<Response>,
    ) {}

    /** Whether the call may be made once more, and counts that it is. */
    repeat(wasCarriedOut: "no" | "perhaps"): boolean {
        if (this.repeats >= MAXIMUM_REPEATS || (wasCarriedOut === "perhaps" && this.mayWrite)) return false;
        if (this.sink.restart && !this.sink.restart()) return false;
        this.repeats += 1;
        this.isSent = false;
        return true;
    }

    succeed(response: Response): void {
        if (!this.end()) return;
        this.sink.last(response);
    }

    fail(error: unknown): void {
        if (!this.end()) return;
        this.sink.fail(error);
    }

    /** The call was given up; `isSent` says what may have come of it. */
    giveUp(error: CofferError): void { this.fail(error.of(this.isSent, this.mayWrite)); }

    listen(signal: CancelSignal, onAbort: () => void): void {
        signal.addEventListener("abort", onAbort);
        this.stopListening = () => signal.removeEventListener("abort", onAbort);
    }

    private end(): boolean {
        if (this.isOver) return false;
        this.isOver = true;
        this.stopListening?.();
        return true;
    }
}
