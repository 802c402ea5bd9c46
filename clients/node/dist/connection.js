"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.Connection = void 0;
const error_js_1 = require("./error.js");
const credentials_js_1 = require("./generated/credentials.js");
const frame_reader_js_1 = require("./wire/frame-reader.js");
const frame_js_1 = require("./wire/frame.js");
const reader_js_1 = require("./wire/reader.js");
const writer_js_1 = require("./wire/writer.js");
const BATCH_BYTES = 16 << 10;
/** What may wait to be sent before further calls are refused. */
const MAXIMUM_QUEUED_BYTES = 16 << 20;
/** One connection to the daemon: many calls at once, answered in any order. */
class Connection {
    owner;
    /** Calls that are not answered, by id. */
    calls = new Map();
    /** Open, or ends when its calls are done, or over. */
    status = "open";
    /** The daemon has answered a call: somebody serves at the other end. */
    hasAnswered = false;
    lastId = 0;
    socket;
    isFlushPlanned = false;
    /** The kernel has not taken all of the last batch. */
    isWriting = false;
    writer = new writer_js_1.Writer(Buffer.allocUnsafeSlow(BATCH_BYTES));
    spare;
    /** The calls in `writer`, in their order. */
    batch = [];
    reader = new reader_js_1.Reader(Buffer.alloc(0));
    frames = new frame_reader_js_1.FrameReader();
    constructor(owner) {
        this.owner = owner;
    }
    /** Takes over a socket that is connected. */
    attach(socket) {
        this.socket = socket;
        socket.removeAllListeners("error");
        // The end follows; what has arrived before is read first.
        socket.on("error", () => { });
        socket.on("end", () => this.close(connectionLost()));
        socket.on("close", () => this.close(connectionLost()));
        if (this.calls.size === 0)
            socket.unref();
    }
    // Calls.
    /** Puts a call into the next batch; throws what its request makes impossible. */
    begin(call, now) {
        const writer = this.writer;
        if (writer.at > MAXIMUM_QUEUED_BYTES)
            throw queueFull(writer.at);
        const start = writer.at;
        try {
            writer.reserve(frame_js_1.HEADER_BYTES);
            writer.at += frame_js_1.HEADER_BYTES;
            call.method.encode(call.request, writer);
            const size = writer.at - start;
            if (size > frame_js_1.MAXIMUM_FRAME_BYTES)
                throw frameTooLarge(size);
            call.id = ++this.lastId;
            call.frameStart = start;
            call.frameBytes = size;
            const left = Math.min(Math.max(1, Math.ceil(call.deadline - now)), 0xffffffff);
            (0, frame_js_1.putHeader)(writer.memory, start, size, frame_js_1.Kind.REQUEST, call.id, call.method.id, left);
        }
        catch (error) {
            writer.truncate(start);
            throw error;
        }
        if (this.calls.size === 0)
            this.socket?.ref();
        this.calls.set(call.id, call);
        this.batch.push(call);
        this.planFlush();
    }
    /** Ends waiting for a call: takes its request back, or tells the daemon to stop. */
    abandon(call) {
        this.forget(call);
        if (this.status === "closed")
            return;
        if (!call.isSent) {
            this.withdraw(call);
        }
        else if (this.status === "open") {
            const start = this.writer.at;
            this.writer.reserve(frame_js_1.HEADER_BYTES);
            this.writer.at += frame_js_1.HEADER_BYTES;
            (0, frame_js_1.putHeader)(this.writer.memory, start, frame_js_1.HEADER_BYTES, frame_js_1.Kind.CANCEL, call.id);
            this.planFlush();
        }
        this.endIfDone();
    }
    withdraw(call) {
        this.writer.remove(call.frameStart, call.frameBytes);
        this.batch = this.batch.filter((other) => other !== call);
        for (const other of this.batch) {
            if (other.frameStart > call.frameStart)
                other.frameStart -= call.frameBytes;
        }
    }
    forget(call) {
        this.calls.delete(call.id);
        if (this.calls.size === 0)
            this.socket?.unref();
    }
    // Sending.
    planFlush() {
        if (this.isFlushPlanned || this.isWriting)
            return;
        this.isFlushPlanned = true;
        process.nextTick(this.flush);
    }
    /** Hands all that waits to the kernel in one piece. */
    flush = () => {
        this.isFlushPlanned = false;
        const { writer } = this;
        if (this.isWriting || writer.at === 0 || this.status === "closed" || this.socket === undefined)
            return;
        const memory = writer.memory;
        const size = writer.at;
        for (const call of this.batch)
            call.isSent = true;
        this.batch = [];
        writer.memory = this.spare ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
        writer.at = 0;
        this.spare = undefined;
        this.isWriting = true;
        this.socket.write(memory.subarray(0, size), () => {
            memory.fill(0, 0, size);
            if (memory.length <= 4 * BATCH_BYTES)
                this.spare = memory;
            this.isWriting = false;
            if (this.writer.at > 0)
                this.planFlush();
        });
    };
    // Receiving.
    /** What has arrived: the first `count` bytes of `memory`, which are wiped. */
    receive(memory, count) {
        try {
            this.frames.take(memory, count, this.accept);
        }
        catch (error) {
            this.close(error, "broken");
        }
        finally {
            memory.fill(0, 0, count);
        }
    }
    /** A whole frame; false = nothing behind it counts. */
    accept = (memory, start, end) => {
        // All but a handful of frames are responses to calls that wait.
        const isPlain = memory[start + 4] === frame_js_1.VERSION && memory[start + 5] === frame_js_1.Kind.RESPONSE && memory[start + 6] === 0
            && memory[start + 7] <= frame_js_1.MORE;
        // Of a high half that no number holds exactly, none of our ids is.
        const id = (0, frame_js_1.uint32At)(memory, start + 8) * 0x100000000 + (0, frame_js_1.uint32At)(memory, start + 12);
        const call = isPlain ? this.calls.get(id) : undefined;
        if (call === undefined)
            return this.acceptOther(memory, start, end);
        this.hasAnswered = true;
        const status = (0, frame_js_1.uint32At)(memory, start + 16);
        const more = memory[start + 7] !== 0;
        if (status !== 0) {
            this.fail(call, status, (0, frame_js_1.uint32At)(memory, start + 20), this.failureIn(memory, start, end));
        }
        else {
            this.succeed(call, memory, start, end, more);
        }
        return this.status !== "closed";
    };
    succeed(call, memory, start, end, more) {
        if (more && !call.sink.more) {
            this.abandon(call);
            call.fail(moreAnnounced());
            return this.owner.settled();
        }
        let response;
        try {
            this.reader.reset(memory, start + frame_js_1.HEADER_BYTES);
            response = call.method.decode(this.reader, end);
        }
        catch (error) {
            if (!(error instanceof reader_js_1.DecodeFault))
                throw error;
            if (more)
                this.abandon(call);
            else
                this.settle(call);
            call.fail(undecodable(call.method.fullName, error.message));
            return this.owner.settled();
        }
        if (more)
            return call.sink.more?.(response);
        this.settle(call);
        call.succeed(response);
        this.owner.settled();
    }
    /** A failure ends its call, whatever it announces. */
    fail(call, status, retryMs, failure) {
        this.settle(call);
        const error = error_js_1.CofferError.answered(status, failure, retryMs, call.mayWrite);
        if (error.reason === "DRAINING") {
            this.drain();
            if (!error.mayHaveHappened)
                return this.owner.refused(call, error);
        }
        call.fail(error);
        this.owner.settled();
    }
    settle(call) {
        this.forget(call);
        this.endIfDone();
    }
    failureIn(memory, start, end) {
        if (end === start + frame_js_1.HEADER_BYTES)
            return undefined;
        try {
            this.reader.reset(memory, start + frame_js_1.HEADER_BYTES);
            return (0, credentials_js_1.decodeFailure)(this.reader, end);
        }
        catch {
            return undefined;
        }
    }
    acceptOther(memory, start, end) {
        const header = (0, frame_js_1.headerAt)(memory, start);
        const { version, kind, flags, callId, methodOrStatus } = header;
        if (version !== frame_js_1.VERSION || (flags & ~frame_js_1.MORE) !== 0) {
            this.close(error_js_1.CofferError.protocolViolation(`a frame of version ${version}, flags ${flags}`), "broken");
        }
        else if (kind === frame_js_1.Kind.GO_AWAY && callId === 0 && methodOrStatus === 0) {
            this.drain();
        }
        else if (kind === frame_js_1.Kind.GO_AWAY && callId === 0) {
            const failure = this.failureIn(memory, start, end);
            this.close(error_js_1.CofferError.answered(methodOrStatus, failure, header.timeoutOrRetry), "turned away");
        }
        else if (kind !== frame_js_1.Kind.RESPONSE) {
            this.close(error_js_1.CofferError.protocolViolation(`a frame of kind ${kind}, call ${callId}`), "broken");
        }
        else if (callId === 0 && methodOrStatus !== 0) {
            // The daemon could not read what we sent, and closes.
            this.close(error_js_1.CofferError.answered(methodOrStatus, this.failureIn(memory, start, end)), "broken");
        }
        // Else an answer to a call that was given up meanwhile.
        return this.status !== "closed";
    }
    // The end.
    /** Takes no new calls; ends when those in flight are done. */
    drain() {
        if (this.status !== "open")
            return;
        this.status = "draining";
        const unsent = this.batch;
        this.batch = [];
        this.writer.truncate(0);
        for (const call of unsent)
            this.forget(call);
        this.owner.closing(this, unsent);
        this.endIfDone();
    }
    endIfDone() {
        if (this.status !== "draining" || this.calls.size > 0)
            return;
        this.close(connectionLost());
    }
    /** Ends the connection; calls that were not answered go to the owner. */
    close(cause, how = "lost") {
        if (this.status === "closed")
            return;
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
exports.Connection = Connection;
function connectionLost() {
    return new error_js_1.CofferError("UNAVAILABLE", "the daemon closed the connection", { retryable: true });
}
function moreAnnounced() {
    return new error_js_1.CofferError("INTERNAL", "the daemon announced a response after the one that ends the call", { reason: "MALFORMED" });
}
function undecodable(method, why) {
    return new error_js_1.CofferError("INTERNAL", `the response to ${method} does not decode: ${why}`, { reason: "MALFORMED" });
}
function frameTooLarge(size) {
    return new error_js_1.CofferError("RESOURCE_EXHAUSTED", `the request takes a frame of ${size} bytes, at most ${frame_js_1.MAXIMUM_FRAME_BYTES} are sent; make it smaller`, { reason: "FRAME_TOO_LARGE" });
}
function queueFull(size) {
    return new error_js_1.CofferError("RESOURCE_EXHAUSTED", `${size} bytes wait to be sent already; make fewer calls at once`, { reason: "LIMIT", retryable: true });
}
