import type { CallOptions } from "./channel.js";
import { checkCredential, checkNames, checkText, checkTexts, checkWhole, isOptional } from "./checks.js";
import { CofferError } from "./error.js";
import { AdminClient, AdminMethods } from "./generated/admin.js";
import {
    CredentialsClient, CredentialsMethods, type GetManyResponse, type GetRequest, type GetResult as GetResultMessage,
    type ListEntry, type StoreRequest,
} from "./generated/credentials.js";
import { PageTokens } from "./page-tokens.js";
import { CredentialRecord, timeOf } from "./record.js";
import { examinationOf, healthOf } from "./reports.js";
import { SocketChannel } from "./socket-channel.js";
import { defaultSocketPath, variable } from "./socket-rule.js";
import type {
    CofferOptions, DeleteOptions, Entry, Examination, GetOptions, GetResult, Health, Identity, Key, ListOptions, Receipt, Scope,
    StoreOptions,
} from "./types.js";
import { plain } from "./wire/message.js";

/** The most keys of one GetMany. */
const BATCH = 256;

// The names of options. One that is unknown is refused: a misspelt condition would be a Store without one.
const CLIENT = ["socket", "timeoutMs", "reconnectWindowMs", "maxInFlight", "serverUid"];
const CALL = ["timeoutMs", "signal"];
const GET = ["maxAgeMs", ...CALL];
const STORE = ["ifVersion", "ifAbsent", "ttlSeconds", "labels", ...CALL];
const DELETE = ["ifVersion", ...CALL];
const LIST = ["pageSize", ...CALL];

declare global {
    interface SymbolConstructor { readonly asyncDispose: unique symbol }
}

/**
 * A client of `cofferd`. It connects when it is first used; all its calls share one connection, so one client serves a
 * whole program. With no call in flight it does not keep the process alive.
 *
 * Calls fail with `CofferError`.
 */
export class Coffer {
    /** The generated stubs of the service that connectors call. */
    readonly credentials: CredentialsClient;
    /** The generated stubs of the service that operators call. */
    readonly admin: AdminClient;
    private readonly channel: SocketChannel;
    /** Closes the client at the end of an `await using` block, where the language has it. */
    declare [Symbol.asyncDispose]: () => Promise<void>;

    constructor(options: CofferOptions = {}) {
        checkNames("options", options, CLIENT);
        isOptional("socket", options.socket, "string");
        checkWhole("timeoutMs", options.timeoutMs, 1, 0x7fffffff);
        checkWhole("reconnectWindowMs", options.reconnectWindowMs, 0, 0x7fffffff);
        checkWhole("maxInFlight", options.maxInFlight, 1, 1024);
        checkWhole("serverUid", options.serverUid, 0, 0xfffffffe);
        this.channel = new SocketChannel({
            path: options.socket ?? defaultSocketPath(),
            timeoutMs: options.timeoutMs ?? 10_000,
            reconnectWindowMs: options.reconnectWindowMs ?? 2_000,
            maxInFlight: options.maxInFlight ?? 256,
            serverUid: options.serverUid,
            serverUidVariable: variable("COFFER_SERVER_UID"),
        });
        this.credentials = new CredentialsClient(this.channel);
        this.admin = new AdminClient(this.channel);
    }

    /** The credential and what is known about it. NOT_FOUND is never an outage, and an outage never NOT_FOUND. */
    get(user: string, connection: string, options?: GetOptions): Promise<CredentialRecord> {
        const request: Partial<GetRequest> = { userId: user, connectionId: connection, maxAgeMs: undefined };
        try {
            checkText("user", user);
            checkText("connection", connection);
            checkNames("options", options, GET);
            if (options?.maxAgeMs !== undefined) request.maxAgeMs = wholeMilliseconds(options.maxAgeMs);
        } catch (error) {
            return Promise.reject(error);
        }
        return this.channel.converted(CredentialsMethods.get, request, options, recordOf);
    }

    /** As `get`, but undefined in place of NOT_FOUND. */
    async tryGet(user: string, connection: string, options?: GetOptions): Promise<CredentialRecord | undefined> {
        try {
            return await this.get(user, connection, options);
        } catch (error) {
            if (error instanceof CofferError && error.code === "NOT_FOUND") return undefined;
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
    async store(user: string, connection: string, value: Uint8Array | string, options: StoreOptions = {}): Promise<Receipt> {
        checkNames("options", options, STORE);
        checkTexts({ user, connection, ifVersion: options.ifVersion });
        const credential = checkCredential(value);
        try {
            const request: Partial<StoreRequest> = { userId: user, connectionId: connection, credential };
            if (options.ttlSeconds !== undefined) request.ttlSeconds = wholeSeconds(options.ttlSeconds);
            if (options.labels) request.labels = checkLabels(options.labels);
            if (options.ifVersion !== undefined && options.ifAbsent) {
                throw CofferError.badField("ifVersion and ifAbsent: expected at most one of them");
            }
            if (options.ifVersion !== undefined) request.ifVersion = options.ifVersion;
            if (options.ifAbsent) request.ifAbsent = true;
            const { version, createdAtMs, updatedAtMs, expiresAtMs } = await this.credentials.store(request, options);
            const expiresAt = timeOf(expiresAtMs);
            return {
                version, createdAt: new Date(Number(createdAtMs)), updatedAt: new Date(Number(updatedAtMs)),
                ...(expiresAt && { expiresAt }),
            };
        } finally {
            credential.fill(0);
        }
    }

    /** Removes the credential. Deleting what is not there succeeds. As `store`, it is not made again in doubt. */
    async delete(user: string, connection: string, options: DeleteOptions = {}): Promise<{ existed: boolean }> {
        checkNames("options", options, DELETE);
        checkTexts({ user, connection, ifVersion: options.ifVersion });
        const { existed } = await this.credentials.delete(
            { userId: user, connectionId: connection, ifVersion: options.ifVersion }, options);
        return { existed };
    }

    /**
     * Many credentials, one result for each key in the order of `keys`. Asks for 256 at a time; each such call has the
     * time to itself.
     */
    async getMany(keys: readonly Key[], options: GetOptions = {}): Promise<GetResult[]> {
        checkNames("options", options, GET);
        if (!Array.isArray(keys)) throw CofferError.badField(`keys: expected an array, got ${typeof keys}`);
        for (const key of keys) {
            if (typeof key !== "object" || key === null) throw CofferError.badField("keys: expected { user, connection } for each");
            checkTexts({ user: key.user, connection: key.connection });
        }
        const maxAgeMs = options.maxAgeMs === undefined ? undefined : wholeMilliseconds(options.maxAgeMs);
        const results: GetResult[] = [];
        for (let start = 0; start < keys.length; start += BATCH) {
            const batch = keys.slice(start, start + BATCH);
            const request = {
                keys: batch.map(({ user, connection }) => ({ userId: user, connectionId: connection })), maxAgeMs,
            };
            const responses = await this.channel.collected(CredentialsMethods.getMany, request, options);
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
    async *list(user: string, options: ListOptions = {}): AsyncGenerator<Entry, void, undefined> {
        checkNames("options", options, LIST);
        checkTexts({ user });
        checkWhole("pageSize", options.pageSize, 0, 0xffffffff);
        const tokens = new PageTokens();
        let pageToken = "";
        do {
            const page = await this.credentials.list({ userId: user, pageSize: options.pageSize ?? 0, pageToken }, options);
            yield* page.entries.map(entryOf);
            pageToken = page.nextPageToken;
            tokens.check(pageToken);
        } while (pageToken !== "");
    }

    /** Whether the daemon answers, which process it is, and the limits that it has. No vault and no policy is asked. */
    async ping(options?: CallOptions): Promise<Identity> {
        checkNames("options", options, CALL);
        return plain(await this.credentials.ping({}, options));
    }

    /** Whether the daemon and its vaults can do their work now. */
    async health(options?: CallOptions): Promise<Health> {
        checkNames("options", options, CALL);
        return healthOf(await this.admin.health({}, options));
    }

    /** Counters, gauges and the limits in force, by name; the manual lists them. */
    async stats(options?: CallOptions): Promise<Record<string, number>> {
        checkNames("options", options, CALL);
        const { stats } = await this.admin.stats({}, options);
        return Object.fromEntries(stats.map(({ name, value }) => [name, Number(value)]));
    }

    /** Drops records from the daemon's cache; the vaults are not touched. Gives how many. */
    async invalidate(scope: Scope, options?: CallOptions): Promise<number> {
        checkNames("options", options, CALL);
        checkScope(scope);
        if (scope.all !== undefined) return this.dropped({ all: true }, options);
        const { user, connection } = scope;
        checkTexts(connection === undefined ? { user } : { user, connection });
        return this.dropped(
            connection === undefined ? { userId: user } : { key: { userId: user, connectionId: connection } }, options);
    }

    /**
     * Has the daemon store, read, compare and delete a test record in each vault. What fails there is in the result.
     *
     * @param vault the name of one; each of them if it is not given
     */
    async doctor(vault?: string, options?: CallOptions): Promise<Examination[]> {
        checkNames("options", options, CALL);
        checkTexts({ vault });
        return (await this.admin.doctor({ vault: vault ?? "" }, options)).vaults.map(examinationOf);
    }

    /** Ends calls in flight with CANCELLED; later calls fail the same way. */
    async close(): Promise<void> { this.channel.close(); }

    private async dropped(
        request: Parameters<typeof AdminMethods.invalidate.encode>[0], options?: CallOptions,
    ): Promise<number> {
        return Number((await this.admin.invalidate(request, options)).dropped);
    }
}

if (Symbol.asyncDispose) {
    Object.defineProperty(Coffer.prototype, Symbol.asyncDispose, {
        value(this: Coffer) { return this.close(); }, configurable: true, writable: true,
    });
}

function recordOf(message: ConstructorParameters<typeof CredentialRecord>[0]): CredentialRecord {
    return new CredentialRecord(message);
}

/** Each index of the keys exactly once, over all responses. */
function resultsOf(keys: readonly Key[], responses: GetManyResponse[]): GetResult[] {
    const results: (GetResult | undefined)[] = keys.map(() => undefined);
    for (const result of responses.flatMap((response) => response.results)) {
        if (result.index >= keys.length || results[result.index]) {
            throw badBatch(`a result for key ${result.index}, which needs none`);
        }
        results[result.index] = resultOf(keys[result.index], result);
    }
    return results.map((result, index) => {
        if (!result) throw badBatch(`no result for key ${index}`);
        return result;
    });
}

function resultOf(key: Key, { status, record, failure }: GetResultMessage): GetResult {
    if (status !== 0) return { key, error: CofferError.answered(status, failure) };
    if (!record) throw badBatch("a result without a record and without a failure");
    return { key, record: new CredentialRecord(record) };
}

function badBatch(what: string): CofferError {
    return new CofferError("INTERNAL", `the daemon answered GetMany with ${what}`, { reason: "MALFORMED" });
}

function entryOf(entry: ListEntry): Entry {
    const { userId: user, connectionId: connection, version, labels, status, failure } = entry;
    if (status !== 0) return { user, connection, version, labels, error: CofferError.answered(status, failure) };
    return {
        user, connection, version, labels, createdAt: timeOf(entry.createdAtMs), updatedAt: timeOf(entry.updatedAtMs),
        expiresAt: timeOf(entry.expiresAtMs),
    };
}

function checkScope(scope: Scope): void {
    const expected = "expected { all: true }, { user } or { user, connection }";
    if (typeof scope !== "object" || scope === null) {
        throw CofferError.badField(`scope: ${expected}, got ${scope === null ? "null" : typeof scope}`);
    }
    checkNames("scope", scope, scope.all === undefined ? ["user", "connection", "all"] : ["all"]);
    if (scope.all !== undefined && scope.all !== true) throw CofferError.badField(`scope: ${expected}, got another value for all`);
}

function checkLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
    const names = Object.keys(labels);
    if (names.length > 1024) throw CofferError.badField(`labels: expected at most 16, got ${names.length}`);
    for (const name of names) {
        checkText("label", name);
        checkText("label", labels[name]);
    }
    return labels;
}

function wholeMilliseconds(value: number): number {
    isOptional("maxAgeMs", value, "number");
    if (Number.isNaN(value)) throw CofferError.badField("maxAgeMs: expected milliseconds, got NaN");
    return Math.min(Math.max(0, Math.floor(value)), Number.MAX_SAFE_INTEGER);
}

function wholeSeconds(value: number): number {
    const whole = Math.ceil(value);
    if (!(whole > 0 && whole <= 0xffffffff)) {
        throw CofferError.badField(`ttlSeconds: expected more than zero and at most 100 years, got ${value}`);
    }
    return whole;
}
