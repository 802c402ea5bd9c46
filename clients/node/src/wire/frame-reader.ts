import { CofferError } from "../error.js";
import { COUNTED_BYTES, MAXIMUM_FRAME_BYTES, uint32At } from "./frame.js";

const INITIAL_BYTES = 16 << 10;

type Accept = (memory: Buffer, start: number, end: number) => boolean;

/**
 * Cuts what arrives into frames. Memory grows with what has arrived, never to what a length announces, and is wiped
 * behind the frames that were taken.
 */
export class FrameReader {
    /** What has come and was not taken is from `start` to `end` of `rest`. */
    private rest: Buffer = Buffer.alloc(0);
    private start = 0;
    private end = 0;
    /** There was a frame more than were to be taken. */
    private isCutShort = false;

    /**
     * Takes frames of what is kept and of the first `count` bytes of `memory`, and keeps what is not taken.
     *
     * @param most how many frames at most
     * @param accept gets each whole frame, from `start` to `end` of `memory`; false = no more
     * @returns whether whole frames may be left, for {@link takeKept}
     * @throws INTERNAL for a length that no frame of this protocol has
     */
    take(memory: Buffer, count: number, most: number, accept: Accept): boolean {
        if (this.start < this.end) {
            this.keep(memory, 0, count);
            return this.takeKept(most, accept);
        }
        const taken = this.cut(memory, 0, count, most, accept);
        if (taken < count) this.keep(memory, taken, count);
        return this.isCutShort;
    }

    /** The same of what is kept. */
    takeKept(most: number, accept: Accept): boolean {
        const taken = this.cut(this.rest, this.start, this.end, most, accept);
        // It may have been wiped meanwhile, by a frame that ended the connection.
        if (this.start === this.end) return false;
        this.rest.fill(0, this.start, taken);
        this.start = taken;
        if (!this.isCutShort) this.moveToFront();
        return this.isCutShort;
    }

    wipe(): void {
        this.rest.fill(0);
        this.start = this.end = 0;
    }

    /** Where the frames end that were accepted. */
    private cut(memory: Buffer, start: number, count: number, most: number, accept: Accept): number {
        let at = start;
        this.isCutShort = false;
        for (let frames = 0; count - at >= 4; frames++) {
            const length = uint32At(memory, at);
            if (length < COUNTED_BYTES) {
                throw CofferError.protocolViolation(`a frame's length field is at least 20, got ${length}`);
            }
            if (length > MAXIMUM_FRAME_BYTES - 4) {
                throw CofferError.protocolViolation(
                    `a response of ${length + 4} bytes was announced, at most ${MAXIMUM_FRAME_BYTES} are accepted`,
                    "FRAME_TOO_LARGE");
            }
            const end = at + 4 + length;
            if (end > count) break;
            if (frames === most) {
                this.isCutShort = true;
                break;
            }
            if (!accept(memory, at, end)) return count;
            at = end;
        }
        return at;
    }

    private keep(memory: Buffer, start: number, end: number): void {
        const more = end - start;
        if (this.end + more > this.rest.length) this.moveToFront();
        if (this.end + more > this.rest.length) {
            const larger = Buffer.alloc(
                Math.max(INITIAL_BYTES, this.end + more, Math.min(2 * this.rest.length, MAXIMUM_FRAME_BYTES)));
            larger.set(this.rest.subarray(0, this.end));
            this.rest.fill(0);
            this.rest = larger;
        }
        this.rest.set(memory.subarray(start, end), this.end);
        this.end += more;
    }

    private moveToFront(): void {
        if (this.start === 0) return;
        this.rest.copyWithin(0, this.start, this.end);
        const size = this.end - this.start;
        this.rest.fill(0, size, this.end);
        this.start = 0;
        this.end = size;
        if (size === 0 && this.rest.length > 4 * INITIAL_BYTES) this.rest = Buffer.alloc(0);
    }
}
