import type { ConnectFailure } from "./daemon-socket.js";
/**
 * When to try to connect. Pure: time and chance are passed in. Failures are followed by waits with full jitter: a random
 * time up to a bound that doubles with each failure.
 */
export declare class Reconnector {
    private readonly windowMs;
    private failures;
    /** @param windowMs how long after a loss an absent daemon is waited for */
    constructor(windowMs: number);
    succeeded(): void;
    /**
     * @param lostAt when a connection was last lost; undefined = there was none yet
     * @param chance a number from 0 up to 1
     * @returns how many milliseconds to wait; undefined = the calls fail
     */
    failed(kind: ConnectFailure["kind"], now: number, lostAt: number | undefined, chance: number): number | undefined;
}
