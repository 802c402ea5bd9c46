import type { Socket } from "node:net";
import { Call, type Sink } from "./call.js";
import { CallQueue } from "./call-queue.js";
import type { CallOptions, Channel, Method } from "./channel.js";
import { Connection, type ConnectionOwner, type Ending } from "./connection.js";
import { connectToDaemon, failure, type ConnectFailure, type Trust } from "./daemon-socket.js";
import { CofferError } from "./error.js";
import { CredentialsMethods } from "./generated/credentials.js";
import { AdminMethods } from "./generated/admin.js";
import { Reconnector } from "./reconnector.js";
import { ResponseQueue } from "./response-queue.js";

const RECEIVE_BYTES = 64 << 10;
/** Calls that may wait for one of those in flight to end. */
const MAXIMUM_WAITING = 100_000;
/** The methods that change what the daemon keeps; the others may be made again. */
const WRITES = new Set([CredentialsMethods.store.id, CredentialsMethods.delete.id, AdminMethods.doctor.id]);

/** How a channel finds its daemon and how long it waits. */
export interface ChannelConfiguration extends Trust {
    path: string;
    timeoutMs: number;
    reconnectWindowMs: number;
    maxInFlight: number;
}

/**
 * Calls over one connection to the daemon, made when first needed and again when it is lost or the daemon goes away.
 *
 * A call that surely was not carried out is made again on a new connection; one that may have been only if it changes
 * nothing.
 */
export class SocketChannel implements Channel, ConnectionOwner {
    /** The one that takes new calls. */
    private connection: Connection | undefined;
    /** All that have calls. */
    private readonly connections = new Set<Connection>();
    /** Calls that no connection has. */
    private readonly waiting = new CallQueue();
    private isConnecting: Socket | undefined;
    private retryTimer: Timer | undefined;
    private lostAt: number | undefined;
    private readonly reconnector: Reconnector;
    private deadlineTimer: Timer | undefined;
    private nextDeadline = Infinity;
    private isClosed = false;

    constructor(private readonly configuration: ChannelConfiguration) {
        this.reconnector = new Reconnector(configuration.reconnectWindowMs);
    }

    response<Request, Response>(
        method: Method<Request, Response>, request: Partial<Request>, options?: CallOptions,
    ): Promise<Response> {
        return new Promise((resolve, reject) => {
            this.start(method, request, options, { last: resolve, fail: reject });
        });
    }

    /** The one response, made into something else as it comes. */
    converted<Request, Response, Result>(
        method: Method<Request, Response>, request: Partial<Request>, options: CallOptions | undefined,
        convert: (response: Response) => Result,
    ): Promise<Result> {
        return new Promise((resolve, reject) => {
            this.start(method, request, options, { last: (response) => resolve(convert(response)), fail: reject });
        });
    }

    /** All responses of a call that changes nothing. */
    collected<Request, Response>(
        method: Method<Request, Response>, request: Partial<Request>, options?: CallOptions,
    ): Promise<Response[]> {
        return new Promise((resolve, reject) => {
            let all: Response[] = [];
            this.start(method, request, options, {
                more: (response) => { all.push(response); },
                restart: () => {
                    all = [];
                    return true;
                },
                last: (response) => resolve([...all, response]),
                fail: reject,
            });
        });
    }

    responses<Request, Response>(
        method: Method<Request, Response>, request: Partial<Request>, options?: CallOptions,
    ): AsyncIterable<Response> {
        return { [Symbol.asyncIterator]: () => new ResponseQueue((sink) => this.start(method, request, options, sink)) };
    }

    /** Ends calls in flight with CANCELLED; later calls fail the same way. */
    close(): void {
        if (this.isClosed) return;
        this.isClosed = true;
        if (this.retryTimer) clearTimeout(this.retryTimer);
        if (this.deadlineTimer) clearTimeout(this.deadlineTimer);
        this.isConnecting?.destroy();
        for (const connection of this.connections) connection.close(clientClosed());
        this.failWaiting(clientClosed());
    }

    // Beginning and giving up.

    /** @returns what gives the call up */
    private start<Request, Response>(
        method: Method<Request, Response>, request: Partial<Request>, options: CallOptions | undefined,
        sink: Sink<Response>,
    ): () => void {
        const timeoutMs = options?.timeoutMs ?? this.configuration.timeoutMs;
        const now = performance.now();
        const deadline = now + Number(timeoutMs);
        const call = new Call(method, request, deadline, WRITES.has(method.id), sink);
        const signal = options?.signal;
        const giveUp = () => this.giveUp(call, cancelled(signal?.reason));
        if (this.isClosed) {
            call.fail(clientClosed());
        } else if (typeof timeoutMs !== "number" || Number.isNaN(timeoutMs)) {
            const found = typeof timeoutMs === "number" ? "NaN" : typeof timeoutMs;
            call.fail(CofferError.badField(`timeoutMs: expected a number of milliseconds, got ${found}`));
        } else if (!(timeoutMs > 0)) {
            call.giveUp(deadlineExceeded());
        } else if (signal?.aborted) {
            call.giveUp(cancelled(signal.reason));
        } else {
            if (signal) call.listen(signal, giveUp);
            if (deadline < this.nextDeadline) this.planDeadline(deadline);
            this.dispatch(call, now);
        }
        return giveUp;
    }

    private dispatch(call: Call, now: number): void {
        if (this.waiting.size === 0 && this.hasRoom()) return this.begin(call, now);
        if (this.waiting.size >= MAXIMUM_WAITING) return call.fail(tooManyWaiting());
        this.waiting.push(call);
        this.pump();
    }

    private hasRoom(): boolean {
        return this.connection !== undefined && this.connection.calls.size < this.configuration.maxInFlight;
    }

    private begin(call: Call, now: number): void {
        try {
            this.connection?.begin(call, now);
        } catch (error) {
            call.fail(error);
        }
    }

    /** Sends what waits, as far as there is room. */
    private pump(): void {
        while (this.waiting.size > 0 && this.hasRoom()) {
            const call = this.waiting.shift();
            if (call) this.begin(call, performance.now());
        }
        if (this.waiting.size > 0 && this.connection === undefined) this.connect();
    }

    private giveUp(call: Call, error: CofferError): void {
        if (call.isOver) return;
        let isWaiting = true;
        for (const connection of this.connections) {
            if (connection.calls.get(call.id) !== call) continue;
            connection.abandon(call);
            isWaiting = false;
        }
        call.giveUp(error);
        if (isWaiting && !this.isClosed) this.waiting.gaveUp();
        this.pump();
    }

    private planDeadline(deadline: number): void {
        if (this.deadlineTimer) clearTimeout(this.deadlineTimer);
        this.nextDeadline = deadline;
        const delay = Math.max(1, Math.ceil(deadline - performance.now()));
        // Its calls keep the process alive, not the timer.
        this.deadlineTimer = setTimeout(() => this.expire(), Math.min(delay, 0x7fffffff)).unref();
    }

    private expire(): void {
        this.nextDeadline = Infinity;
        const now = performance.now();
        let next = Infinity;
        const due: Call[] = [];
        const look = (call: Call) => {
            if (call.isOver) return;
            if (call.deadline <= now) due.push(call);
            else if (call.deadline < next) next = call.deadline;
        };
        for (const connection of this.connections) connection.calls.forEach(look);
        this.waiting.forEach(look);
        for (const call of due) this.giveUp(call, deadlineExceeded());
        // Thousands of calls that end one by one are looked through less often.
        const gap = this.waiting.size >> 10;
        if (next < this.nextDeadline) this.planDeadline(Math.max(next, now + gap));
    }

    // Connecting.

    private connect(): void {
        if (this.isConnecting || this.retryTimer || this.isClosed) return;
        const connection = new Connection(this);
        const memory = Buffer.alloc(RECEIVE_BYTES);
        let socket: Socket;
        try {
            socket = connectToDaemon(this.configuration.path, this.configuration, {
                buffer: memory,
                callback: (count) => {
                    connection.receive(memory, count);
                    return true;
                },
            });
        } catch (error) {
            if (!isConnectFailure(error)) throw error;
            return this.connectFailed(error);
        }
        this.isConnecting = socket;
        socket.on("error", (error) => {
            this.isConnecting = undefined;
            // A listener that goes resets those that it has not accepted.
            if (error.code === "ECONNRESET") this.lostAt = performance.now();
            this.connectFailed(failure(this.configuration.path, error));
        });
        socket.on("connect", () => {
            this.isConnecting = undefined;
            if (this.isClosed) socket.destroy();
            else this.connected(connection, socket);
        });
    }

    private connected(connection: Connection, socket: Socket): void {
        this.connection = connection;
        this.connections.add(connection);
        connection.attach(socket);
        this.pump();
    }

    private connectFailed({ kind, error }: ConnectFailure): void {
        if (this.isClosed) return;
        const now = performance.now();
        const wait = this.reconnector.failed(kind, now, this.lostAt, Math.random());
        if (wait === undefined) return this.failWaiting(error);
        for (const call of this.waiting.takeIf((call) => call.deadline <= now + wait)) call.fail(error);
        if (this.waiting.size === 0) return;
        this.retryTimer = setTimeout(() => {
            this.retryTimer = undefined;
            this.pump();
        }, wait);
    }

    private failWaiting(error: CofferError): void {
        for (const call of this.waiting.takeIf(() => true)) call.fail(error);
    }

    // What connections tell.

    closing(connection: Connection, unsent: Call[]): void {
        this.leave(connection);
        this.again(unsent);
    }

    ended(connection: Connection, calls: Call[], cause: CofferError, how: Ending): void {
        this.connections.delete(connection);
        this.leave(connection);
        if (connection.hasAnswered) this.reconnector.succeeded();
        const repeated: Call[] = [];
        for (const call of calls) {
            if (how === "turned away") call.fail(cause);
            else if (how === "lost" && !this.isClosed && call.repeat(call.isSent ? "perhaps" : "no")) repeated.push(call);
            else call.giveUp(cause);
        }
        const isAlone = this.connection === undefined && !this.isConnecting && !this.retryTimer;
        if (how !== "lost" || connection.hasAnswered || !isAlone) return this.again(repeated);
        // Nobody has served there: a daemon that is going, or comes. It is not asked again at once.
        this.waiting.putBack(repeated);
        this.connectFailed({ kind: "absent", error: cause });
    }

    refused(call: Call, error: CofferError): void {
        if (call.repeat("no")) this.again([call]);
        else call.fail(error);
    }

    settled(): void {
        if (this.waiting.size > 0) this.pump();
    }

    private leave(connection: Connection): void {
        if (this.connection !== connection) return;
        this.connection = undefined;
        this.lostAt = performance.now();
    }

    /** In front of those that came later. */
    private again(calls: Call[]): void {
        if (calls.length > 0) this.waiting.putBack(calls);
        if (this.waiting.size > 0) this.pump();
    }
}

function isConnectFailure(error: unknown): error is ConnectFailure {
    return (error as ConnectFailure).error instanceof CofferError;
}

function clientClosed(): CofferError {
    return new CofferError("CANCELLED", "the client was closed", { reason: "CANCELLED" });
}

function cancelled(cause: unknown): CofferError {
    return new CofferError("CANCELLED", "the caller cancelled the call", { reason: "CANCELLED", cause });
}

function deadlineExceeded(): CofferError {
    return new CofferError(
        "DEADLINE_EXCEEDED", "no answer within the time given", { reason: "DEADLINE", retryable: true });
}

function tooManyWaiting(): CofferError {
    return new CofferError(
        "RESOURCE_EXHAUSTED", `${MAXIMUM_WAITING} calls wait to be sent already; make fewer at once`,
        { reason: "LIMIT", retryable: true });
}
