import type { Socket } from "node:net";
import type { Call } from "./call.js";
import { CofferError } from "./error.js";
/**
 * How a connection ended: it was lost, or closed by this side; or the daemon did not want it and carried out nothing that came
 * on it; or one side did not understand the other.
 */
export declare type Ending = "lost" | "turned away" | "broken";
/** What the owner of a connection learns of it. */
export interface ConnectionOwner {
    /** It takes no new calls; `unsent` were not carried out and belong to the owner again. */
    closing(connection: Connection, unsent: Call[]): void;
    /** It is over; these calls were not answered. */
    ended(connection: Connection, calls: Call[], cause: CofferError, how: Ending): void;
    /** The daemon is draining and has not begun this call. */
    refused(call: Call, error: CofferError): void;
    /** There is room for a call. */
    settled(): void;
}
/** One connection to the daemon: many calls at once, answered in any order. */
export declare class Connection {
    private readonly owner;
    /** Calls that are not answered, by id. */
    readonly calls: Map<number, Call<any, any>>;
    /** Open, or ends when its calls are done, or over. */
    status: "open" | "draining" | "closed";
    /** The daemon has answered a call: somebody serves at the other end. */
    hasAnswered: boolean;
    private lastId;
    private socket;
    private isFlushPlanned;
    /** The kernel has not taken all of the last batch. */
    private isWriting;
    private writer;
    private spare;
    /** The calls in `writer`, in their order. */
    private batch;
    private readonly reader;
    private readonly frames;
    constructor(owner: ConnectionOwner);
    /** Takes over a socket that is connected. */
    attach(socket: Socket): void;
    /** Puts a call into the next batch; throws what its request makes impossible. */
    begin(call: Call, now: number): void;
    /** Ends waiting for a call: takes its request back, or tells the daemon to stop. */
    abandon(call: Call): void;
    private withdraw;
    private forget;
    private planFlush;
    /** Hands all that waits to the kernel in one piece. */
    private readonly flush;
    /** What has arrived: the first `count` bytes of `memory`, which are wiped. */
    receive(memory: Buffer, count: number): void;
    /** A whole frame; false = nothing behind it counts. */
    private readonly accept;
    private succeed;
    /** A failure ends its call, whatever it announces. */
    private fail;
    private settle;
    private failureIn;
    private acceptOther;
    /** Takes no new calls; ends when those in flight are done. */
    drain(): void;
    private endIfDone;
    /** Ends the connection; calls that were not answered go to the owner. */
    close(cause: CofferError, how?: Ending): void;
}
