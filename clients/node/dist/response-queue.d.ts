import type { Sink } from "./call.js";
/** The responses of one call, in their order, for one consumer. Leaving the loop ends the call. */
export declare class ResponseQueue<Response> implements AsyncIterator<Response>, Sink<Response> {
    private waiting;
    private takers;
    private hasResponse;
    private isOver;
    private error;
    private readonly giveUp;
    /** @param start begins the call; what it returns gives it up */
    constructor(start: (sink: Sink<Response>) => () => void);
    next(): Promise<IteratorResult<Response>>;
    return(): Promise<IteratorResult<Response>>;
    more(response: Response): void;
    /** Once the consumer may have seen a response, nothing is made again. */
    restart(): boolean;
    last(response: Response): void;
    fail(error: unknown): void;
}
