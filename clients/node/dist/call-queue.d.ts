import type { Call } from "./call.js";
/** Calls that wait for a connection, first come first. Those that were given up are passed over. */
export declare class CallQueue {
    private items;
    private head;
    /** How many of those that wait were given up. */
    private dead;
    /** How many wait. */
    get size(): number;
    push(call: Call): void;
    /** In front of those that came later. */
    putBack(calls: Call[]): void;
    shift(): Call | undefined;
    /** Notes that a call that waits here is over. */
    gaveUp(): void;
    /** Takes out those that wait and fit, in their order. */
    takeIf(fits: (call: Call) => boolean): Call[];
    forEach(body: (call: Call) => void): void;
}
