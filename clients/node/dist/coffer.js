"use strict";
Object.defineProperty(exports, "__esModule", { value: true });
exports.Coffer = void 0;
const checks_js_1 = require("./checks.js");
const error_js_1 = require("./error.js");
const admin_js_1 = require("./generated/admin.js");
const credentials_js_1 = require("./generated/credentials.js");
const record_js_1 = require("./record.js");
const socket_channel_js_1 = require("./socket-channel.js");
const socket_rule_js_1 = require("./socket-rule.js");
const message_js_1 = require("./wire/message.js");
/** The most keys of one GetMany. */
const BATCH = 256;
/**
 * A client of `cofferd`. It connects when it is first used; all its calls share one connection, so one client serves a
 * whole program. With no call in flight it does not keep the process alive.
 *
 * Calls fail with `CofferError`.
 */
class Coffer {
    /** The generated stubs of the service that connectors call. */
    credentials;
    /** The generated stubs of the service that operators call. */
    admin;
    channel;
    constructor(options = {}) {
        (0, checks_js_1.checkWhole)("timeoutMs", options.timeoutMs, 1, 0x7fffffff);
        (0, checks_js_1.checkWhole)("reconnectWindowMs", options.reconnectWindowMs, 0, 0x7fffffff);
        (0, checks_js_1.checkWhole)("maxInFlight", options.maxInFlight, 1, 1024);
        (0, checks_js_1.checkWhole)("serverUid", options.serverUid, 0, 0xfffffffe);
        this.channel = new socket_channel_js_1.SocketChannel({
            path: options.socket ?? (0, socket_rule_js_1.defaultSocketPath)(),
            timeoutMs: options.timeoutMs ?? 10000,
            reconnectWindowMs: options.reconnectWindowMs ?? 2000,
            maxInFlight: options.maxInFlight ?? 256,
            serverUid: options.serverUid,
            serverUidVariable: (0, socket_rule_js_1.variable)("COFFER_SERVER_UID"),
        });
        this.credentials = new credentials_js_1.CredentialsClient(this.channel);
        this.admin = new admin_js_1.AdminClient(this.channel);
    }
    /** The credential and what is known about it. NOT_FOUND is never an outage, and an outage never NOT_FOUND. */
    get(user, connection, options) {
        const request = { userId: user, connectionId: connection, maxAgeMs: undefined };
        try {
            (0, checks_js_1.checkText)("user", user);
            (0, checks_js_1.checkText)("connection", connection);
            if (options?.maxAgeMs !== undefined)
                request.maxAgeMs = wholeMilliseconds(options.maxAgeMs);
        }
        catch (error) {
            return Promise.reject(error);
        }
        return this.channel.converted(credentials_js_1.CredentialsMethods.get, request, options, recordOf);
    }
    /** As `get`, but undefined in place of NOT_FOUND. */
    async tryGet(user, connection, options) {
        try {
            return await this.get(user, connection, options);
        }
        catch (error) {
            if (error instanceof error_js_1.CofferError && error.code === "NOT_FOUND")
                return undefined;
            throw error;
        }
    }
    /**
     * Creates the credential, or replaces it whole: labels and expiry too.
     *
     * Never made again once it may have been carried out: then `mayHaveHappened` is set. With a condition the caller can
     * repeat it safely.
     *
     * @param value 1 byte to 64 KiB, unless the daemon allows more; text as UTF-8
     */
    async store(user, connection, value, options = {}) {
        (0, checks_js_1.checkTexts)({ user, connection, ifVersion: options.ifVersion });
        const credential = (0, checks_js_1.checkCredential)(value);
        try {
            const request = { userId: user, connectionId: connection, credential };
            if (options.ttlSeconds !== undefined)
                request.ttlSeconds = wholeSeconds(options.ttlSeconds);
            if (options.labels)
                request.labels = checkLabels(options.labels);
            if (options.ifVersion !== undefined && options.ifAbsent) {
                throw error_js_1.CofferError.badField("ifVersion and ifAbsent: expected at most one of them");
            }
            if (options.ifVersion !== undefined)
                request.ifVersion = options.ifVersion;
            if (options.ifAbsent)
                request.ifAbsent = true;
            const { version, createdAtMs, updatedAtMs, expiresAtMs } = await this.credentials.store(request, options);
            const expiresAt = (0, record_js_1.timeOf)(expiresAtMs);
            return {
                version, createdAt: new Date(Number(createdAtMs)), updatedAt: new Date(Number(updatedAtMs)),
                ...(expiresAt && { expiresAt }),
            };
        }
        finally {
            credential.fill(0);
        }
    }
    /** Removes the credential. Deleting what is not there succeeds. As `store`, it is not made again in doubt. */
    async delete(user, connection, options = {}) {
        (0, checks_js_1.checkTexts)({ user, connection, ifVersion: options.ifVersion });
        const { existed } = await this.credentials.delete({ userId: user, connectionId: connection, ifVersion: options.ifVersion }, options);
        return { existed };
    }
    /**
     * Many credentials, one result for each key in the order of `keys`. Asks for 256 at a time; each such call has the
     * time to itself.
     */
    async getMany(keys, options = {}) {
        for (const { user, connection } of keys)
            (0, checks_js_1.checkTexts)({ user, connection });
        const maxAgeMs = options.maxAgeMs === undefined ? undefined : wholeMilliseconds(options.maxAgeMs);
        const results = [];
        for (let start = 0; start < keys.length; start += BATCH) {
            const batch = keys.slice(start, start + BATCH);
            const request = {
                keys: batch.map(({ user, connection }) => ({ userId: user, connectionId: connection })), maxAgeMs,
            };
            const responses = await this.channel.collected(credentials_js_1.CredentialsMethods.getMany, request, options);
            results.push(...resultsOf(batch, responses));
        }
        return results;
    }
    /**
     * Which connections a user has, without their credentials: each live record once, if nothing changes meanwhile, in no
     * promised order. Pages are fetched as they are needed.
     *
     * @param user empty = all users, only for callers whose policy grants it
     */
    async *list(user, options = {}) {
        (0, checks_js_1.checkTexts)({ user });
        (0, checks_js_1.checkWhole)("pageSize", options.pageSize, 0, 0xffffffff);
        let pageToken = "";
        do {
            const page = await this.credentials.list({ userId: user, pageSize: options.pageSize ?? 0, pageToken }, options);
            yield* page.entries.map(entryOf);
            if (page.nextPageToken !== "" && page.nextPageToken === pageToken) {
                throw new error_js_1.CofferError("INTERNAL", "the daemon answered List with the same page again", { reason: "MALFORMED" });
            }
            pageToken = page.nextPageToken;
        } while (pageToken !== "");
    }
    /** Whether the daemon answers, which process it is, and the limits that it has. No vault and no policy is asked. */
    async ping(options) { return (0, message_js_1.plain)(await this.credentials.ping({}, options)); }
    /** Whether the daemon and its vaults can do their work now. */
    async health(options) { return (0, message_js_1.plain)(await this.admin.health({}, options)); }
    /** Counters, gauges and the limits in force, by name; the manual lists them. */
    async stats(options) {
        const { stats } = await this.admin.stats({}, options);
        return Object.fromEntries(stats.map(({ name, value }) => [name, Number(value)]));
    }
    /** Drops records from the daemon's cache; the vaults are not touched. Gives how many. */
    async invalidate(scope, options) {
        if ("all" in scope)
            return this.dropped({ all: true }, options);
        const { user, connection } = scope;
        (0, checks_js_1.checkTexts)(connection === undefined ? { user } : { user, connection });
        return this.dropped(connection === undefined ? { userId: user } : { key: { userId: user, connectionId: connection } }, options);
    }
    /**
     * Has the daemon store, read, compare and delete a test record in each vault. What fails there is in the result.
     *
     * @param vault the name of one; each of them if it is not given
     */
    async doctor(vault, options) {
        (0, checks_js_1.checkTexts)({ vault });
        return (await this.admin.doctor({ vault: vault ?? "" }, options)).vaults.map((one) => (0, message_js_1.plain)(one));
    }
    /** Ends calls in flight with CANCELLED; later calls fail the same way. */
    async close() { this.channel.close(); }
    async dropped(request, options) {
        return Number((await this.admin.invalidate(request, options)).dropped);
    }
}
exports.Coffer = Coffer;
if (Symbol.asyncDispose) {
    Object.defineProperty(Coffer.prototype, Symbol.asyncDispose, {
        value() { return this.close(); }, configurable: true, writable: true,
    });
}
function recordOf(message) {
    return new record_js_1.CredentialRecord(message);
}
/** Each index of the keys exactly once, over all responses. */
function resultsOf(keys, responses) {
    const results = keys.map(() => undefined);
    for (const result of responses.flatMap((response) => response.results)) {
        if (result.index >= keys.length || results[result.index]) {
            throw badBatch(`a result for key ${result.index}, which needs none`);
        }
        results[result.index] = resultOf(keys[result.index], result);
    }
    return results.map((result, index) => {
        if (!result)
            throw badBatch(`no result for key ${index}`);
        return result;
    });
}
function resultOf(key, { status, record, failure }) {
    if (status !== 0)
        return { key, error: error_js_1.CofferError.answered(status, failure) };
    if (!record)
        throw badBatch("a result without a record and without a failure");
    return { key, record: new record_js_1.CredentialRecord(record) };
}
function badBatch(what) {
    return new error_js_1.CofferError("INTERNAL", `the daemon answered GetMany with ${what}`, { reason: "MALFORMED" });
}
function entryOf(entry) {
    const { userId: user, connectionId: connection, version, labels, status, failure } = entry;
    if (status !== 0)
        return { user, connection, version, labels, error: error_js_1.CofferError.answered(status, failure) };
    return {
        user, connection, version, labels, createdAt: (0, record_js_1.timeOf)(entry.createdAtMs), updatedAt: (0, record_js_1.timeOf)(entry.updatedAtMs),
        expiresAt: (0, record_js_1.timeOf)(entry.expiresAtMs),
    };
}
function checkLabels(labels) {
    const names = Object.keys(labels);
    if (names.length > 1024)
        throw error_js_1.CofferError.badField(`labels: expected at most 16, got ${names.length}`);
    for (const name of names) {
        (0, checks_js_1.checkText)("label", name);
        (0, checks_js_1.checkText)("label", labels[name]);
    }
    return labels;
}
function wholeMilliseconds(value) {
    (0, checks_js_1.isOptional)("maxAgeMs", value, "number");
    if (Number.isNaN(value))
        throw error_js_1.CofferError.badField("maxAgeMs: expected milliseconds, got NaN");
    return Math.min(Math.max(0, Math.floor(value)), Number.MAX_SAFE_INTEGER);
}
function wholeSeconds(value) {
    const whole = Math.ceil(value);
    if (!(whole > 0 && whole <= 0xffffffff)) {
        throw error_js_1.CofferError.badField(`ttlSeconds: expected more than zero and at most 100 years, got ${value}`);
    }
    return whole;
}
