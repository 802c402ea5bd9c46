import type { Socket } from "node:net";
import type { Call } from "./call.js";
import { CofferError } from "./error.js";
import { decodeFailure, type Failure } from "./generated/credentials.js";
import { FrameReader } from "./wire/frame-reader.js";
import { HEADER_BYTES, headerAt, Kind, MAXIMUM_FRAME_BYTES, MORE, putHeader, uint32At, VERSION } from "./wire/frame.js";
import { DecodeFault, Reader } from "./wire/reader.js";
import { Writer } from "./wire/writer.js";

const BATCH_BYTES = 16 << 10;
/** Frames are sent and answers decoded in parts of a sixth of the calls in flight, but of no fewer than these. */
const MINIMUM_PART = 3;
/** What may wait to be sent before further calls are refused. */
const MAXIMUM_QUEUED_BYTES = 16 << 20;

/**
 * How a connection ended: it was lost, or closed by this side; or the daemon did not want it and carried out nothing that came
 * on it; or one side did not understand the other.
 */
export type Ending = "lost" | "turned away" | "broken";

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
export class Connection {
    /** Calls that are not answered, by id. */
    readonly calls = new Map<number, Call>();
    /** Open, or ends when its calls are done, or over. */
    status: "open" | "draining" | "closed" = "open";
    /** The daemon has answered a call: somebody serves at the other end. */
    hasAnswered = false;
    private lastId = 0;
    private socket: Socket | undefined;
    private isFlushPlanned = false;
    /** The kernel has not taken all of the last batch. */
    private isWriting = false;
    /** A write has failed: nothing more is sent, what the daemon sent before it left is still read. */
    private isWriteBroken = false;
    /** Something has come since this was last cleared. */
    private hasReceived = false;
    private writer = new Writer(Buffer.allocUnsafeSlow(BATCH_BYTES));
    private spare: Buffer | undefined;
    /** The calls in `writer`, in their order. */
    private batch: Call[] = [];
    /** The ids of the calls whose cancel frames are in `writer`. */
    private cancelled: number[] = [];
    private readonly reader = new Reader(Buffer.alloc(0));
    private readonly frames = new FrameReader();

    constructor(private readonly owner: ConnectionOwner) {}

    /** Takes over a socket that is connected. */
    attach(socket: Socket): void {
        this.socket = socket;
        socket.removeAllListeners("error");
        // A write that fails would have Node drop what has arrived: why the daemon turns this connection away, and answers.
        const destroy = socket.destroy.bind(socket);
        socket.destroy = (error) => error?.syscall === "write" ? socket : destroy(error);
        // The end follows.
        socket.on("error", () => {});
        socket.on("end", () => this.close(connectionLost()));
        socket.on("close", () => this.close(connectionLost()));
        if (this.calls.size === 0) socket.unref();
    }

    // Calls.

    /** Puts a call into the next batch; throws what its request makes impossible. */
    begin(call: Call, now: number): void {
        const writer = this.writer;
        if (writer.at > MAXIMUM_QUEUED_BYTES) throw queueFull(writer.at);
        const start = writer.at;
        try {
            writer.reserve(HEADER_BYTES);
            writer.at += HEADER_BYTES;
            call.method.encode(call.request, writer);
            const size = writer.at - start;
            if (size > MAXIMUM_FRAME_BYTES) throw frameTooLarge(size);
            call.id = ++this.lastId;
            call.frameStart = start;
            call.frameBytes = size;
            const left = Math.min(Math.max(1, Math.ceil(call.deadline - now)), 0xffffffff);
            putHeader(writer.memory, start, size, Kind.REQUEST, call.id, call.method.id, left);
        } catch (error) {
            writer.truncate(start);
            throw error;
        }
        if (this.calls.size === 0) this.socket?.ref();
        this.calls.set(call.id, call);
        this.batch.push(call);
        if (this.batch.length < this.part) this.planFlush();
        else this.flush();
    }

    /** Ends waiting for a call: takes its request back, or tells the daemon to stop. */
    abandon(call: Call): void {
        this.forget(call);
        if (this.status === "closed") return;
        if (!call.isSent) {
            this.withdraw(call);
        } else if (!this.isWriteBroken) {
            this.cancel(call.id);
        }
        this.endIfDone();
    }

    private cancel(id: number): void {
        const start = this.writer.at;
        this.writer.reserve(HEADER_BYTES);
        this.writer.at += HEADER_BYTES;
        putHeader(this.writer.memory, start, HEADER_BYTES, Kind.CANCEL, id);
        this.cancelled.push(id);
        this.planFlush();
    }

    private withdraw(call: Call): void {
        if (!this.batch.includes(call)) return;
        this.writer.remove(call.frameStart, call.frameBytes);
        this.batch = this.batch.filter((other) => other !== call);
        for (const other of this.batch) {
            if (other.frameStart > call.frameStart) other.frameStart -= call.frameBytes;
        }
    }

    private forget(call: Call): void {
        this.calls.delete(call.id);
        if (this.calls.size === 0) this.socket?.unref();
    }

    /** How many calls go together: while the daemon works on a part, this side sends or decodes the next. */
    private get part(): number { return Math.max(MINIMUM_PART, Math.floor(this.calls.size / 6)); }

    // Sending.

    private planFlush(): void {
        if (this.isFlushPlanned || this.isWriting) return;
        this.isFlushPlanned = true;
        process.nextTick(this.flush);
    }

    /** Hands all that waits to the kernel in one piece. */
    private readonly flush = (): void => {
        this.isFlushPlanned = false;
        const { writer } = this;
        if (this.isWriting || writer.at === 0 || this.status === "closed" || this.socket === undefined) return;
        const memory = writer.memory;
        const size = writer.at;
        const batch = this.batch;
        for (const call of batch) call.isSent = true;
        this.batch = [];
        this.cancelled = [];
        writer.memory = this.spare ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
        writer.at = 0;
        this.spare = undefined;
        this.isWriting = true;
        let isTaken = false;
        const taken = () => {
            isTaken = true;
            memory.fill(0, 0, size);
            if (memory.length <= 4 * BATCH_BYTES) this.spare = memory;
            this.isWriting = false;
        };
        this.socket.write(memory.subarray(0, size), (error) => {
            if (isTaken) return;
            if (error) {
                memory.fill(0, 0, size);
                return this.writeFailed();
            }
            taken();
            if (this.writer.at > 0) this.planFlush();
        });
        if (this.socket.errored || this.socket.destroyed) {
            // What fails at once was not taken, not even in part; nor what is written to a socket that is closed already.
            for (const call of batch) call.isSent = false;
        } else if (this.socket.writableLength === 0) {
            // The kernel has all of it, and the callback comes late: more can be sent before.
            taken();
        }
    };

    /** The daemon has left, and all it sent is here: reads until nothing more comes. `isWriting` stays, so nothing is sent. */
    private writeFailed(): void {
        if (this.status === "closed") return;
        this.isWriteBroken = true;
        this.hasReceived = false;
        // Between two of these turns the socket is read once for certain.
        setImmediate(() => setImmediate(() => {
            if (this.hasReceived) this.writeFailed();
            else this.close(connectionLost());
        }));
    }

    // Receiving.

    /** What has arrived: the first `count` bytes of `memory`, which are wiped. */
    receive(memory: Buffer, count: number): void {
        this.hasReceived = true;
        this.takeFrames(() => this.frames.take(memory, count, this.part, this.accept));
        memory.fill(0, 0, count);
    }

    private readonly takeKept = (): void => this.takeFrames(() => this.frames.takeKept(this.part, this.accept));

    /** Between two parts those who wait for the first go on, and make their next calls. */
    private takeFrames(take: () => boolean): void {
        try {
            if (take() && this.status !== "closed") queueMicrotask(this.takeKept);
        } catch (error) {
            this.close(error as CofferError, "broken");
        }
    }

    /** A whole frame; false = nothing behind it counts. */
    private readonly accept = (memory: Buffer, start: number, end: number): boolean => {
        // All but a handful of frames are responses to calls that wait.
        const isPlain = memory[start + 4] === VERSION && memory[start + 5] === Kind.RESPONSE && memory[start + 6] === 0
            && memory[start + 7] <= MORE;
        // Of a high half that no number holds exactly, none of our ids is.
        const id = uint32At(memory, start + 8) * 0x100000000 + uint32At(memory, start + 12);
        const call = isPlain ? this.calls.get(id) : undefined;
        if (call === undefined) return this.acceptOther(memory, start, end);
        this.hasAnswered = true;
        const status = uint32At(memory, start + 16);
        const more = memory[start + 7] !== 0;
        if (status !== 0) {
            this.fail(call, status, uint32At(memory, start + 20), this.failureIn(memory, start, end));
        } else {
            this.succeed(call, memory, start, end, more);
        }
        return this.status !== "closed";
    };

    private succeed(call: Call, memory: Buffer, start: number, end: number, more: boolean): void {
        if (more && !call.sink.more) {
            this.abandon(call);
            call.fail(moreAnnounced().of(true, call.mayWrite));
            return this.owner.settled();
        }
        let response: unknown;
        try {
            this.reader.reset(memory, start + HEADER_BYTES);
            response = call.method.decode(this.reader, end);
        } catch (error) {
            if (!(error instanceof DecodeFault)) throw error;
            if (more) this.abandon(call);
            else this.settle(call);
            call.fail(undecodable(call.method.fullName, error.message).of(true, call.mayWrite));
            return this.owner.settled();
        }
        if (more) return call.sink.more?.(response);
        this.settle(call);
        call.succeed(response);
        this.owner.settled();
    }

    /** A failure ends its call, whatever it announces. */
    private fail(call: Call, status: number, retryMs: number, failure: Failure | undefined): void {
        this.settle(call);
        const error = CofferError.answered(status, failure, retryMs, call.mayWrite);
        if (error.reason === "DRAINING") {
            this.drain();
            if (!error.mayHaveHappened) return this.owner.refused(call, error);
        }
        call.fail(error);
        this.owner.settled();
    }

    private settle(call: Call): void {
        this.forget(call);
        this.endIfDone();
    }

    private failureIn(memory: Buffer, start: number, end: number): Failure | undefined {
        if (end === start + HEADER_BYTES) return undefined;
        try {
            this.reader.reset(memory, start + HEADER_BYTES);
            return decodeFailure(this.reader, end);
        } catch {
            return undefined;
        }
    }

    private acceptOther(memory: Buffer, start: number, end: number): boolean {
        const header = headerAt(memory, start);
        const { version, kind, flags, callId, methodOrStatus } = header;
        if (version !== VERSION || (flags & ~MORE) !== 0) {
            this.close(CofferError.protocolViolation(`a frame of version ${version}, flags ${flags}`), "broken");
        } else if (kind === Kind.GO_AWAY && callId === 0 && methodOrStatus === 0) {
            this.drain();
        } else if (kind === Kind.GO_AWAY && callId === 0) {
            const failure = this.failureIn(memory, start, end);
            this.close(CofferError.answered(methodOrStatus, failure, header.timeoutOrRetry), "turned away");
        } else if (kind !== Kind.RESPONSE) {
            this.close(CofferError.protocolViolation(`a frame of kind ${kind}, call ${callId}`), "broken");
        } else if (callId === 0 && methodOrStatus !== 0) {
            // The daemon could not read what we sent, and closes.
            this.close(CofferError.answered(methodOrStatus, this.failureIn(memory, start, end)), "broken");
        }
        // Else an answer to a call that was given up meanwhile.
        return this.status !== "closed";
    }

    // The end.

    /** Takes no new calls; ends when those in flight are done. */
    drain(): void {
        if (this.status !== "open") return;
        this.status = "draining";
        const unsent = this.batch, cancelled = this.cancelled;
        this.batch = [];
        this.cancelled = [];
        this.writer.truncate(0);
        // The daemon works on those, draining or not.
        for (const id of cancelled) this.cancel(id);
        for (const call of unsent) this.forget(call);
        this.owner.closing(this, unsent);
        this.endIfDone();
    }

    private endIfDone(): void {
        if (this.status !== "draining" || this.calls.size > 0) return;
        this.close(connectionLost());
    }

    /** Ends the connection; calls that were not answered go to the owner. */
    close(cause: CofferError, how: Ending = "lost"): void {
        if (this.status === "closed") return;
        this.status = "closed";
        const calls = [...this.calls.values()];
        this.calls.clear();
        this.batch = [];
        this.writer.truncate(0);
        this.frames.wipe();
        this.socket?.destroy();
        this.owner.ended(this, calls, cause, how);
    }
}

function connectionLost(): CofferError {
    return new CofferError("UNAVAILABLE", "the daemon closed the connection", { retryable: true });
}

function moreAnnounced(): CofferError {
    return new CofferError(
        "INTERNAL", "the daemon announced a response after the one that ends the call", { reason: "MALFORMED" });
}

function undecodable(method: string, why: string): CofferError {
    return new CofferError("INTERNAL", `the response to ${method} does not decode: ${why}`, { reason: "MALFORMED" });
}

function frameTooLarge(size: number): CofferError {
    return new CofferError(
        "RESOURCE_EXHAUSTED",
        `the request takes a frame of ${size} bytes, at most ${MAXIMUM_FRAME_BYTES} are sent; make it smaller`,
        { reason: "FRAME_TOO_LARGE" });
}

function queueFull(size: number): CofferError {
    return new CofferError(
        "RESOURCE_EXHAUSTED", `${size} bytes wait to be sent already; make fewer calls at once`,
        { reason: "LIMIT", retryable: true });
}
