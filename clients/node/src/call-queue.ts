import type { Call } from "./call.js";

/** Calls that wait for a connection, first come first. Those that were given up are passed over. */
export class CallQueue {
    private items: Call[] = [];
    private head = 0;
    /** How many of those that wait were given up. */
    private dead = 0;

    /** How many wait. */
    get size(): number { return this.items.length - this.head - this.dead; }

    push(call: Call): void { this.items.push(call); }

    /** In front of those that came later. */
    putBack(calls: Call[]): void {
        this.items = [...calls, ...this.items.slice(this.head)];
        this.head = 0;
    }

    shift(): Call | undefined {
        while (this.head < this.items.length) {
            const call = this.items[this.head++];
            if (this.head > 1024 && this.head * 2 > this.items.length) {
                this.items = this.items.slice(this.head);
                this.head = 0;
            }
            if (!call.isOver) return call;
            this.dead -= 1;
        }
        this.items = [];
        this.head = 0;
        return undefined;
    }

    /** Notes that a call that waits here is over. */
    gaveUp(): void {
        this.dead += 1;
        if (this.dead * 2 > this.items.length - this.head) this.takeIf(() => false);
    }

    /** Takes out those that wait and fit, in their order. */
    takeIf(fits: (call: Call) => boolean): Call[] {
        const live = this.items.slice(this.head).filter((call) => !call.isOver);
        const taken = live.filter(fits);
        this.items = taken.length > 0 ? live.filter((call) => !fits(call)) : live;
        this.head = 0;
        this.dead = 0;
        return taken;
    }

    forEach(body: (call: Call) => void): void {
        for (let index = this.head; index < this.items.length; index++) body(this.items[index]);
    }
}
