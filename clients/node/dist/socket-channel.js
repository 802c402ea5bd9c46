"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.SocketChannel = void 0;
const call_js_1 = require("./call.js");
const call_queue_js_1 = require("./call-queue.js");
const connection_js_1 = require("./connection.js");
const daemon_socket_js_1 = require("./daemon-socket.js");
const error_js_1 = require("./error.js");
const credentials_js_1 = require("./generated/credentials.js");
const admin_js_1 = require("./generated/admin.js");
const reconnector_js_1 = require("./reconnector.js");
const response_queue_js_1 = require("./response-queue.js");
const RECEIVE_BYTES = 64 << 10;
/** Calls that may wait for one of those in flight to end. */
const MAXIMUM_WAITING = 100000;
/** The methods that change what the daemon keeps; the others may be made again. */
const WRITES = new Set([credentials_js_1.CredentialsMethods.store.id, credentials_js_1.CredentialsMethods.delete.id, admin_js_1.AdminMethods.doctor.id]);
/**
 * Calls over one connection to the daemon, made when first needed and again when it is lost or the daemon goes away.
 *
 * A call that surely was not carried out is made again on a new connection; one that may have been only if it changes
 * nothing.
 */
class SocketChannel {
    configuration;
    /** The one that takes new calls. */
    connection;
    /** All that have calls. */
    connections = new Set();
    /** Calls that no connection has. */
    waiting = new call_queue_js_1.CallQueue();
    isConnecting;
    retryTimer;
    lostAt;
    reconnector;
    deadlineTimer;
    nextDeadline = Infinity;
    isClosed = false;
    constructor(configuration) {
        this.configuration = configuration;
        this.reconnector = new reconnector_js_1.Reconnector(configuration.reconnectWindowMs);
    }
    response(method, request, options) {
        return new Promise((resolve, reject) => {
            this.start(method, request, options, { last: resolve, fail: reject });
        });
    }
    /** The one response, made into something else as it comes. */
    converted(method, request, options, convert) {
        return new Promise((resolve, reject) => {
            this.start(method, request, options, { last: (response) => resolve(convert(response)), fail: reject });
        });
    }
    /** All responses of a call that changes nothing. */
    collected(method, request, options) {
        return new Promise((resolve, reject) => {
            let all = [];
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
    responses(method, request, options) {
        return { [Symbol.asyncIterator]: () => new response_queue_js_1.ResponseQueue((sink) => this.start(method, request, options, sink)) };
    }
    /** Ends calls in flight with CANCELLED; later calls fail the same way. */
    close() {
        if (this.isClosed)
            return;
        this.isClosed = true;
        if (this.retryTimer)
            clearTimeout(this.retryTimer);
        if (this.deadlineTimer)
            clearTimeout(this.deadlineTimer);
        this.isConnecting?.destroy();
        for (const connection of this.connections)
            connection.close(clientClosed());
        this.failWaiting(clientClosed());
    }
    // Beginning and giving up.
    /** @returns what gives the call up */
    start(method, request, options, sink) {
        const timeoutMs = options?.timeoutMs ?? this.configuration.timeoutMs;
        const now = performance.now();
        const deadline = now + timeoutMs;
        const call = new call_js_1.Call(method, request, deadline, WRITES.has(method.id), sink);
        const signal = options?.signal;
        const giveUp = () => this.giveUp(call, cancelled(signal?.reason));
        if (this.isClosed) {
            call.fail(clientClosed());
        }
        else if (!(timeoutMs > 0)) {
            call.giveUp(deadlineExceeded());
        }
        else if (signal?.aborted) {
            call.giveUp(cancelled(signal.reason));
        }
        else {
            if (signal)
                call.listen(signal, giveUp);
            if (deadline < this.nextDeadline)
                this.planDeadline(deadline);
            this.dispatch(call, now);
        }
        return giveUp;
    }
    dispatch(call, now) {
        if (this.waiting.size === 0 && this.hasRoom())
            return this.begin(call, now);
        if (this.waiting.size >= MAXIMUM_WAITING)
            return call.fail(tooManyWaiting());
        this.waiting.push(call);
        this.pump();
    }
    hasRoom() {
        return this.connection !== undefined && this.connection.calls.size < this.configuration.maxInFlight;
    }
    begin(call, now) {
        try {
            this.connection?.begin(call, now);
        }
        catch (error) {
            call.fail(error);
        }
    }
    /** Sends what waits, as far as there is room. */
    pump() {
        while (this.waiting.size > 0 && this.hasRoom()) {
            const call = this.waiting.shift();
            if (call)
                this.begin(call, performance.now());
        }
        if (this.waiting.size > 0 && this.connection === undefined)
            this.connect();
    }
    giveUp(call, error) {
        if (call.isOver)
            return;
        let isWaiting = true;
        for (const connection of this.connections) {
            if (connection.calls.get(call.id) !== call)
                continue;
            connection.abandon(call);
            isWaiting = false;
        }
        call.giveUp(error);
        if (isWaiting && !this.isClosed)
            this.waiting.gaveUp();
        this.pump();
    }
    planDeadline(deadline) {
        if (this.deadlineTimer)
            clearTimeout(this.deadlineTimer);
        this.nextDeadline = deadline;
        const delay = Math.max(1, Math.ceil(deadline - performance.now()));
        // Its calls keep the process alive, not the timer.
        this.deadlineTimer = setTimeout(() => this.expire(), Math.min(delay, 0x7fffffff)).unref();
    }
    expire() {
        this.nextDeadline = Infinity;
        const now = performance.now();
        let next = Infinity;
        const due = [];
        const look = (call) => {
            if (call.isOver)
                return;
            if (call.deadline <= now)
                due.push(call);
            else if (call.deadline < next)
                next = call.deadline;
        };
        for (const connection of this.connections)
            connection.calls.forEach(look);
        this.waiting.forEach(look);
        for (const call of due)
            this.giveUp(call, deadlineExceeded());
        // Thousands of calls that end one by one are looked through less often.
        const gap = this.waiting.size >> 10;
        if (next < this.nextDeadline)
            this.planDeadline(Math.max(next, now + gap));
    }
    // Connecting.
    connect() {
        if (this.isConnecting || this.retryTimer || this.isClosed)
            return;
        const connection = new connection_js_1.Connection(this);
        const memory = Buffer.alloc(RECEIVE_BYTES);
        let socket;
        try {
            socket = (0, daemon_socket_js_1.connectToDaemon)(this.configuration.path, this.configuration, {
                buffer: memory,
                callback: (count) => {
                    connection.receive(memory, count);
                    return true;
                },
            });
        }
        catch (error) {
            if (!isConnectFailure(error))
                throw error;
            return this.connectFailed(error);
        }
        this.isConnecting = socket;
        socket.on("error", (error) => {
            this.isConnecting = undefined;
            // A listener that goes resets those that it has not accepted.
            if (error.code === "ECONNRESET")
                this.lostAt = performance.now();
            this.connectFailed((0, daemon_socket_js_1.failure)(this.configuration.path, error));
        });
        socket.on("connect", () => {
            this.isConnecting = undefined;
            if (this.isClosed)
                socket.destroy();
            else
                this.connected(connection, socket);
        });
    }
    connected(connection, socket) {
        this.connection = connection;
        this.connections.add(connection);
        connection.attach(socket);
        this.pump();
    }
    connectFailed({ kind, error }) {
        if (this.isClosed)
            return;
        const now = performance.now();
        const wait = this.reconnector.failed(kind, now, this.lostAt, Math.random());
        if (wait === undefined)
            return this.failWaiting(error);
        for (const call of this.waiting.takeIf((call) => call.deadline <= now + wait))
            call.fail(error);
        if (this.waiting.size === 0)
            return;
        this.retryTimer = setTimeout(() => {
            this.retryTimer = undefined;
            this.pump();
        }, wait);
    }
    failWaiting(error) {
        for (const call of this.waiting.takeIf(() => true))
            call.fail(error);
    }
    // What connections tell.
    closing(connection, unsent) {
        this.leave(connection);
        this.again(unsent);
    }
    ended(connection, calls, cause, how) {
        this.connections.delete(connection);
        this.leave(connection);
        if (connection.hasAnswered)
            this.reconnector.succeeded();
        const repeated = [];
        for (const call of calls) {
            if (how === "turned away")
                call.fail(cause);
            else if (how === "lost" && !this.isClosed && call.repeat(call.isSent ? "perhaps" : "no"))
                repeated.push(call);
            else
                call.giveUp(cause);
        }
        const isAlone = this.connection === undefined && !this.isConnecting && !this.retryTimer;
        if (how !== "lost" || connection.hasAnswered || !isAlone)
            return this.again(repeated);
        // Nobody has served there: a daemon that is going, or comes. It is not asked again at once.
        this.waiting.putBack(repeated);
        this.connectFailed({ kind: "absent", error: cause });
    }
    refused(call, error) {
        if (call.repeat("no"))
            this.again([call]);
        else
            call.fail(error);
    }
    settled() {
        if (this.waiting.size > 0)
            this.pump();
    }
    leave(connection) {
        if (this.connection !== connection)
            return;
        this.connection = undefined;
        this.lostAt = performance.now();
    }
    /** In front of those that came later. */
    again(calls) {
        if (calls.length > 0)
            this.waiting.putBack(calls);
        if (this.waiting.size > 0)
            this.pump();
    }
}
exports.SocketChannel = SocketChannel;
function isConnectFailure(error) {
    return error.error instanceof error_js_1.CofferError;
}
function clientClosed() {
    return new error_js_1.CofferError("CANCELLED", "the client was closed", { reason: "CANCELLED" });
}
function cancelled(cause) {
    return new error_js_1.CofferError("CANCELLED", "the caller cancelled the call", { reason: "CANCELLED", cause });
}
function deadlineExceeded() {
    return new error_js_1.CofferError("DEADLINE_EXCEEDED", "no answer within the time given", { reason: "DEADLINE", retryable: true });
}
function tooManyWaiting() {
    return new error_js_1.CofferError("RESOURCE_EXHAUSTED", `${MAXIMUM_WAITING} calls wait to be sent already; make fewer at once`, { reason: "LIMIT", retryable: true });
}
