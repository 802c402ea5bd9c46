import type { Sink } from "./call.js";
import { CofferError } from "./error.js";

/** Responses of one call that may wait to be taken. */
const MAXIMUM_WAITING = 1024;

/** The responses of one call, in their order, for one consumer. Leaving the loop ends the call. */
export class ResponseQueue<Response> implements AsyncIterator<Response>, Sink<Response> {
    private waiting: Response[] = [];
    private takers: { resolve(result: IteratorResult<Response>): void; reject(error: unknown): void }[] = [];
    private hasResponse = false;
    private isOver = false;
    private error: unknown;
    private readonly giveUp: () => void;

    /** @param start begins the call; what it returns gives it up */
    constructor(start: (sink: Sink<Response>) => () => void) { this.giveUp = start(this); }

    next(): Promise<IteratorResult<Response>> {
        const first = this.waiting.shift();
        if (first !== undefined) return Promise.resolve({ value: first, done: false });
        if (this.error !== undefined) {
            const error = this.error;
            this.error = undefined;
            return Promise.reject(error);
        }
        if (this.isOver) return Promise.resolve({ value: undefined, done: true });
        return new Promise((resolve, reject) => { this.takers.push({ resolve, reject }); });
    }

    return(): Promise<IteratorResult<Response>> {
        this.waiting = [];
        this.giveUp();
        this.isOver = true;
        this.error = undefined;
        return Promise.resolve({ value: undefined, done: true });
    }

    more(response: Response): void {
        this.hasResponse = true;
        const taker = this.takers.shift();
        if (taker) return taker.resolve({ value: response, done: false });
        if (this.waiting.length < MAXIMUM_WAITING) return void this.waiting.push(response);
        this.giveUp();
        this.error = new CofferError(
            "RESOURCE_EXHAUSTED", `${MAXIMUM_WAITING} responses to one call wait to be taken; take them faster`,
            { reason: "LIMIT" });
    }

    /** Once the consumer may have seen a response, nothing is made again. */
    restart(): boolean { return !this.hasResponse; }

    last(response: Response): void {
        this.isOver = true;
        this.more(response);
        for (const taker of this.takers.splice(0)) taker.resolve({ value: undefined, done: true });
    }

    fail(error: unknown): void {
        this.isOver = true;
        const taker = this.takers.shift();
        if (taker) taker.reject(error);
        else this.error = error;
        for (const other of this.takers.splice(0)) other.resolve({ value: undefined, done: true });
    }
}
