import { CofferError } from "../error.js";
import { COUNTED_BYTES, MAXIMUM_FRAME_BYTES, uint32At } from "./frame.js";

const INITIAL_BYTES = 16 << 10;

/**
 * Cuts what arrives into frames. Memory grows with what has arrived, never to what a length announces, and is wiped
 * behind the frames that were taken.
 */
export class FrameReader {
    /** The beginning of a frame that has not come whole. */
    private rest: Buffer = Buffer.alloc(0);
    private size = 0;

    /**
     * @param accept gets each whole frame, from `start` to `end` of `memory`; false = no more
     * @throws INTERNAL for a length that no frame of this protocol has
     */
    take(memory: Buffer, count: number, accept: (memory: Buffer, start: number, end: number) => boolean): void {
        if (this.size === 0) {
            const taken = FrameReader.cut(memory, count, accept);
            if (taken < count) this.keep(memory, taken, count);
            return;
        }
        this.keep(memory, 0, count);
        const taken = FrameReader.cut(this.rest, this.size, accept);
        // It may have been wiped meanwhile, by a frame that ended the connection.
        if (taken === 0 || this.size === 0) return;
        this.rest.copyWithin(0, taken, this.size);
        this.rest.fill(0, this.size - taken, this.size);
        this.size -= taken;
        if (this.size === 0 && this.rest.length > 4 * INITIAL_BYTES) this.rest = Buffer.alloc(0);
    }

    wipe(): void {
        this.rest.fill(0);
        this.size = 0;
    }

    /** How many bytes the whole frames have that were accepted. */
    private static cut(
        memory: Buffer, count: number, accept: (memory: Buffer, start: number, end: number) => boolean,
    ): number {
        let at = 0;
        while (count - at >= 4) {
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
            if (!accept(memory, at, end)) return count;
            at = end;
        }
        return at;
    }

    private keep(memory: Buffer, start: number, end: number): void {
        const needed = this.size + end - start;
        if (needed > this.rest.length) {
            const larger = Buffer.alloc(Math.max(INITIAL_BYTES, needed, Math.min(2 * this.rest.length, MAXIMUM_FRAME_BYTES)));
            larger.set(this.rest.subarray(0, this.size));
            this.rest.fill(0);
            this.rest = larger;
        }
        this.rest.set(memory.subarray(start, end), this.size);
        this.size = needed;
    }
}
