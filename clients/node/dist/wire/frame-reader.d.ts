/**
 * Cuts what arrives into frames. Memory grows with what has arrived, never to what a length announces, and is wiped
 * behind the frames that were taken.
 */
export declare class FrameReader {
    /** The beginning of a frame that has not come whole. */
    private rest;
    private size;
    /**
     * @param accept gets each whole frame, from `start` to `end` of `memory`; false = no more
     * @throws INTERNAL for a length that no frame of this protocol has
     */
    take(memory: Buffer, count: number, accept: (memory: Buffer, start: number, end: number) => boolean): void;
    wipe(): void;
    /** How many bytes the whole frames have that were accepted. */
    private static cut;
    private keep;
}
