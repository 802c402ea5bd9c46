import type { ConnectFailure } from "./daemon-socket.js";

const FIRST_BOUND_MS = 10;
const LAST_BOUND_MS = 1000;

/**
 * When to try to connect. Pure: time and chance are passed in. Failures are followed by waits with full jitter: a random
 * time up to a bound that doubles with each failure.
 */
export class Reconnector {
    private failures = 0;

    /** @param windowMs how long after a loss an absent daemon is waited for */
    constructor(private readonly windowMs: number) {}

    succeeded(): void { this.failures = 0; }

    /**
     * @param lostAt when a connection was last lost; undefined = there was none yet
     * @param chance a number from 0 up to 1
     * @returns how many milliseconds to wait; undefined = the calls fail
     */
    failed(kind: ConnectFailure["kind"], now: number, lostAt: number | undefined, chance: number): number | undefined {
        const isWorthWaiting = kind === "busy"
            || (kind === "absent" && lostAt !== undefined && now - lostAt < this.windowMs);
        if (!isWorthWaiting) {
            this.failures = 0;
            return undefined;
        }
        const bound = Math.min(LAST_BOUND_MS, FIRST_BOUND_MS * 2 ** Math.min(this.failures, 16));
        this.failures += 1;
        return bound * chance;
    }
}
