// What a program sees: records, options, batches, listings, secrets that are not shown.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { inspect } from "node:util";
import { test } from "node:test";
import { Coffer, CofferError, createCredentialManager, CredentialManager } from "../dist/esm.mjs";
import { answer, decode, fakeDaemon, METHODS } from "./support/fake-daemon.mjs";

const SECRET = "s3cret-that-nobody-prints";

/** A daemon that keeps what its script gives for each method; requests are kept. */
async function scripted(t, handlers, options) {
    const requests = [];
    const daemon = await fakeDaemon(t, async (peer) => {
        for (let request; (request = await peer.read()) !== undefined;) {
            const [name] = Object.entries(METHODS).find(([, { id }]) => id === request.methodOrStatus) ?? [];
            const type = `${name[0].toUpperCase()}${name.slice(1)}`;
            const message = decode(`${type}Request`, request.payload);
            requests.push([name, message]);
            const respond = (fields, flags) => peer.respond(request.callId, `${type}Response`, fields, flags);
            if (handlers[name]) handlers[name]({ message, respond, fail: (...rest) => peer.fail(request.callId, ...rest) });
            else answer(peer, request);
        }
    }, options);
    return { client: daemon.client, path: daemon.path, requests };
}

async function rejected(promise) {
    const error = await promise.then(() => assert.fail("the call succeeded"), (error) => error);
    assert.ok(error instanceof CofferError, `${error}`);
    return error;
}

const record = {
    credential: Buffer.from(SECRET), version: "v-9", labels: { env: "prod", ["__proto__"]: "x" }, createdAtMs: 1000,
    updatedAtMs: 2000, expiresAtMs: 3000, source: 2, ageMs: 12,
};

test("a record has what the daemon knows, and its secret", async (t) => {
    const { client } = await scripted(t, { get: ({ respond }) => respond(record) });
    const got = await client.get("ann", "c");
    assert.equal(got.text(), SECRET);
    assert.deepEqual(got.bytes(), new Uint8Array(Buffer.from(SECRET)));
    assert.deepEqual([got.size, got.version, got.source, got.ageMs], [SECRET.length, "v-9", "vault", 12]);
    assert.deepEqual(Object.entries(got.labels), [["__proto__", "x"], ["env", "prod"]].sort());
    assert.deepEqual([got.createdAt, got.updatedAt, got.expiresAt], [new Date(1000), new Date(2000), new Date(3000)]);
});

test("what is printed, logged or made JSON of a record never shows its secret", async (t) => {
    const { client } = await scripted(t, { get: ({ respond }) => respond(record) });
    const got = await client.get("ann", "c");
    const shown = [
        inspect(got, { depth: 9, showHidden: true }), inspect({ inside: [got] }), JSON.stringify(got), String(got), `${got}`,
        inspect(Object.getOwnPropertyDescriptors(got)), JSON.stringify(Object.entries(got)), inspect(structuredClone({ ...got })),
    ];
    for (const text of shown) {
        assert.ok(!text.includes(SECRET) && !text.includes(Buffer.from(SECRET).toString("hex").slice(0, 12)), text);
    }
    assert.match(shown[0], new RegExp(`size: ${SECRET.length}`));
});

test("errors about a credential do not quote it", async (t) => {
    const { client } = await scripted(t, {
        get: ({ message, respond }) => respond({
            ...record, credential: message.connectionId === "binary" ? Buffer.from([0xff, 0x73, 0x33]) : Buffer.from(SECRET),
        }),
    });
    const text = await client.get("ann", "text"), binary = await client.get("ann", "binary");
    assert.throws(() => text.json(), (error) => error instanceof SyntaxError && !inspect(error).includes("s3"));
    assert.throws(() => binary.text(), { name: "TypeError", message: "the credential of 3 bytes is not UTF-8 text; use bytes()" });
});

test("a wiped record's bytes are gone", async (t) => {
    const { client } = await scripted(t, {});
    const got = await client.get("ann", "secret");
    const bytes = got.bytes();
    got.wipe();
    assert.deepEqual([...bytes], [0, 0, 0, 0, 0, 0]);
    assert.throws(() => got.text(), /wiped/);
});

test("tryGet gives undefined for NOT_FOUND alone", async (t) => {
    const { client } = await scripted(t, {
        get: ({ message, fail }) => message.connectionId === "none"
            ? fail(5, { reason: 30, message: "no record" })
            : fail(14, { reason: 61, message: "the vault is away", vault: "main", retryable: true }, 700),
    });
    assert.equal(await client.tryGet("ann", "none"), undefined);
    const error = await rejected(client.tryGet("ann", "away"));
    assert.deepEqual(
        [error.code, error.reason, error.vault, error.retryable, error.retryAfterMs, error.message],
        ["UNAVAILABLE", "VAULT_UNREACHABLE", "main", true, 700, "the vault is away"]);
});

test("a reason of a later daemon is no error of its own", async (t) => {
    const { client } = await scripted(t, { get: ({ fail }) => fail(9, { reason: 99, message: "new" }) });
    const error = await rejected(client.get("ann", "c"));
    assert.deepEqual([error.code, error.reason], ["FAILED_PRECONDITION", "UNSPECIFIED"]);
});

test("store sends value, time to live, labels and condition; text as UTF-8", async (t) => {
    const { client, requests } = await scripted(t, {});
    const receipt = await client.store("ann", "c", "Zoë", { ttlSeconds: 1.2, labels: { b: "2", a: "1" }, ifVersion: "v-1" });
    assert.equal(receipt.version, "v-2");
    assert.ok(receipt.createdAt instanceof Date && !("expiresAt" in receipt));
    const own = new Uint8Array([1, 0, 255]);
    await client.store("ann", "c", own, { ifAbsent: true });
    assert.deepEqual([...own], [1, 0, 255]);
    const [[, first], [, second]] = requests;
    assert.deepEqual([Buffer.from(first.credential).toString(), first.ttlSeconds, first.ifVersion], ["Zoë", 2, "v-1"]);
    assert.deepEqual({ ...first.labels }, { a: "1", b: "2" });
    assert.deepEqual([[...second.credential], second.ifAbsent, second.ifVersion], [[1, 0, 255], true, undefined]);
});

const SCOPE = "scope: expected { all: true }, { user } or { user, connection }";

test("arguments that no daemon takes are refused by name, and nothing is sent", async (t) => {
    const { client, requests } = await scripted(t, {});
    const cases = [
        [client.get(undefined, "c"), "user: expected a string, got undefined"],
        [client.get("ann", 7), "connection: expected a string, got number"],
        [client.get("ann", "x".repeat(16_385)), "connection: expected at most 16384 bytes, got more"],
        [client.get("ann", "c", { maxAgeMs: NaN }), "maxAgeMs: expected milliseconds, got NaN"],
        [client.store("ann", "c", null), "value: expected a Uint8Array or a string, got null"],
        [client.store("ann", "c", { apiKey: SECRET }), "value: expected a Uint8Array or a string, got object"],
        [client.store("ann", "c", "x", { ttlSeconds: 0 }), "ttlSeconds: expected more than zero and at most 100 years, got 0"],
        [client.store("ann", "c", "x", { ifVersion: "v", ifAbsent: true }), "ifVersion and ifAbsent: expected at most one of them"],
        [client.store("ann", "c", "x", { labels: { a: 1 } }), "label: expected a string, got number"],
        [client.delete("ann", null), "connection: expected a string, got null"],
        [client.getMany([{ user: "ann" }]), "connection: expected a string, got undefined"],
        [client.getMany("ann"), "keys: expected an array, got string"],
        [client.getMany([null]), "keys: expected { user, connection } for each"],
        [client.get("ann", "c", { maxAge: 5 }), "options: maxAge is unknown; expected maxAgeMs, timeoutMs, signal"],
        [client.get("ann", "c", null), "options: expected an object, got null"],
        [client.store("ann", "c", "x", { ifversion: "v" }),
            "options: ifversion is unknown; expected ifVersion, ifAbsent, ttlSeconds, labels, timeoutMs, signal"],
        [client.store("ann", "c", "x", { [SECRET]: 1 }),
            "options: a name is unknown; expected ifVersion, ifAbsent, ttlSeconds, labels, timeoutMs, signal"],
        [client.delete("ann", "c", { ifAbsent: true }), "options: ifAbsent is unknown; expected ifVersion, timeoutMs, signal"],
        [client.getMany([], { pageSize: 1 }), "options: pageSize is unknown; expected maxAgeMs, timeoutMs, signal"],
        [client.list("ann", { limit: 1 }).next(), "options: limit is unknown; expected pageSize, timeoutMs, signal"],
        ...["ping", "health", "stats"].map((call) =>
            [client[call]({ timeout: 1 }), "options: timeout is unknown; expected timeoutMs, signal"]),
        [client.invalidate({ all: true }, { timeout: 1 }), "options: timeout is unknown; expected timeoutMs, signal"],
        [client.doctor("main", { timeout: 1 }), "options: timeout is unknown; expected timeoutMs, signal"],
        [client.invalidate(), `${SCOPE}, got undefined`], [client.invalidate(null), `${SCOPE}, got null`],
        [client.invalidate("ann"), `${SCOPE}, got string`], [client.invalidate({ all: false }), `${SCOPE}, got another value for all`],
        [client.invalidate({ all: true, user: "ann" }), "scope: user is unknown; expected all"],
        [client.invalidate({ user: "ann", conection: "c" }), "scope: conection is unknown; expected user, connection, all"],
        [client.invalidate({}), "user: expected a string, got undefined"],
        [client.list("ann", { pageSize: -1 }).next(), "pageSize: expected a whole number from 0 to 4294967295, got -1"],
    ];
    for (const [promise, message] of cases) {
        const error = await rejected(promise);
        assert.deepEqual([error.code, error.message], ["INVALID_ARGUMENT", message]);
    }
    const large = await rejected(client.store("ann", "c", "x".repeat((1 << 20) + 1)));
    assert.equal(large.reason, "CREDENTIAL_TOO_LARGE");
    const refusals = [
        [{ socket: 5 }, "socket: expected a string, got number"], [null, "options: expected an object, got null"],
        ["/run/s", "options: expected an object, got string"],
        [{ timeout: 5 }, "options: timeout is unknown; expected socket, timeoutMs, reconnectWindowMs, maxInFlight, serverUid"],
    ];
    for (const [options, message] of refusals) assert.throws(() => new Coffer(options), { code: "INVALID_ARGUMENT", message });
    assert.throws(() => new Coffer({ maxInFlight: 0 }), { message: "maxInFlight: expected a whole number from 1 to 1024, got 0" });
    assert.deepEqual(requests, []);
});

test("half of a surrogate pair is refused wherever it stands, never repaired", async (t) => {
    const { client, requests } = await scripted(t, {});
    const halves = ["\ud800", "\udc00", "a\ud83d", "\ude00a", "\ud83d\ud83d\ude00", `${"x".repeat(200)}\udfff`];
    for (const half of halves) {
        const calls = [
            () => client.get(half, "c"), () => client.get("ann", half), () => client.store("ann", "c", half),
            () => client.delete("ann", half), () => client.store("ann", "c", "x", { labels: { name: half } }),
            () => client.store("ann", "c", "x", { labels: { [half]: "v" } }),
            () => client.store("ann", "c", "x", { ifVersion: half }), () => client.getMany([{ user: "u", connection: half }]),
            () => client.list(half).next(),
        ];
        for (const call of calls) {
            const error = await rejected(call());
            assert.equal(error.code, "INVALID_ARGUMENT");
            assert.match(error.message, /half of a surrogate pair/);
        }
    }
    assert.deepEqual(requests, []);
    assert.equal((await client.get("ann", "😀 \ufeffé")).text(), "😀 \ufeffé");
});

test("getMany asks for 256 keys at a time and keeps their order", async (t) => {
    const { client, requests } = await scripted(t, {
        getMany({ message, respond }) {
            const results = message.keys.map(({ connectionId }, index) => connectionId.endsWith("7")
                ? { index, status: 5, failure: { reason: 30, message: "no record" } }
                : { index, status: 0, record: { credential: Buffer.from(connectionId), version: "v" } });
            results.reverse();
            respond({ results: results.slice(0, 100) }, 1);
            respond({ results: results.slice(100) });
        },
    });
    const keys = Array.from({ length: 600 }, (_, index) => ({ user: "ann", connection: `c${index}` }));
    const results = await client.getMany(keys, { maxAgeMs: 5 });
    assert.deepEqual(requests.map(([, { keys, maxAgeMs }]) => [keys.length, maxAgeMs]), [[256, 5], [256, 5], [88, 5]]);
    results.forEach((result, index) => {
        assert.equal(result.key, keys[index]);
        if (index % 10 === 7) assert.equal(result.error.code, "NOT_FOUND");
        else assert.equal(result.record.text(), `c${index}`);
    });
    assert.deepEqual(await client.getMany([]), []);
});

test("a GetMany with a missing, a repeated or another index ends with INTERNAL", async (t) => {
    const one = (index) => ({ index, status: 5 });
    const answers = [[one(0)], [one(0), one(0), one(1)], [one(0), one(2)], [one(0), { index: 1, status: 0 }]];
    const { client } = await scripted(t, { getMany: ({ respond }) => respond({ results: answers[0] }) });
    for (const key = [{ user: "u", connection: "c" }, { user: "u", connection: "d" }]; answers.length > 0; answers.shift()) {
        const error = await rejected(client.getMany(key));
        assert.equal(error.code, "INTERNAL");
        assert.match(error.message, /^the daemon answered GetMany with /);
    }
});

test("list gives all pages, records that cannot be read too", async (t) => {
    const pages = {
        "": { entries: [{ userId: "ann", connectionId: "a", version: "v" }], nextPageToken: "p" },
        p: { entries: [], nextPageToken: "q" },
        q: { entries: [{ userId: "ann", connectionId: "b", status: 15, failure: { reason: 64, message: "damaged" } }] },
    };
    const { client, requests } = await scripted(t, {
        list: ({ message, respond }) => respond(pages[message.pageToken]),
    });
    const entries = [];
    for await (const entry of client.list("ann", { pageSize: 2 })) entries.push(entry);
    assert.deepEqual(entries.map(({ connection, error }) => [connection, error?.code]), [["a", undefined], ["b", "DATA_LOSS"]]);
    assert.deepEqual(requests.map(([, { pageSize }]) => pageSize), [2, 2, 2]);
});

test("a listing in which a page token comes again ends, and a long one is read to its end", async (t) => {
    let asked = 0;
    const { client } = await scripted(t, {
        list: ({ message, respond }) => {
            asked += 1;
            const [pages, back] = message.userId.split("-").map(Number);
            const page = message.pageToken === "" ? 0 : Number(message.pageToken) + 1;
            if (page < pages) respond({ entries: [], nextPageToken: String(page) });
            else respond({ entries: [{ connectionId: "last" }], nextPageToken: Number.isNaN(back) ? "" : String(back) });
        },
    });
    for (const [pages, back] of [[1, 0], [2, 0], [4, 3], [7, 2], [47, 40]]) {
        asked = 0;
        const { code, reason } = await rejected((async () => { for await (const _ of client.list(`${pages}-${back}`)); })());
        assert.deepEqual([code, reason], ["INTERNAL", "MALFORMED"]);
        assert.ok(asked < 3 * pages + 2, `${asked} pages were asked`);
    }
    for await (const { connection } of client.list("300-x")) assert.equal(connection, "last");
});

test("ping gives what a daemon says of itself", async (t) => {
    const { client } = await scripted(t, { ping: ({ respond }) => respond({ instance: "f".repeat(16), maxKeys: 256, features: 2n ** 63n }) });
    const { instance, maxKeys, draining, features } = await client.ping();
    assert.deepEqual([instance, maxKeys, draining, features], ["f".repeat(16), 256, false, 2 ** 63]);
});

test("for operators: health, stats, invalidate and doctor with plain numbers", async (t) => {
    const { client, requests } = await scripted(t, {
        health: ({ respond }) => respond({ serving: true, version: "1", uptimeMs: 2n ** 60n, vaults: [{ name: "main", calls: 3 }] }),
        stats: ({ respond }) => respond({ stats: [{ name: "calls_total", value: 7 }] }),
        invalidate: ({ respond }) => respond({ dropped: 4 }),
        doctor: ({ respond }) => respond({ vaults: [{ name: "main", kind: "embedded", steps: [{ action: 1, durationUs: 5 }] }] }),
    });
    const health = await client.health();
    assert.deepEqual([health.serving, health.uptimeMs, health.vaults[0].calls], [true, 2 ** 60, 3]);
    assert.deepEqual(await client.stats(), { calls_total: 7 });
    assert.equal(await client.invalidate({ all: true }), 4);
    await client.invalidate({ user: "ann" });
    await client.invalidate({ user: "ann", connection: "c" });
    assert.equal((await client.doctor())[0].steps[0].durationUs, 5);
    assert.deepEqual(requests.filter(([name]) => name === "invalidate").map(([, { all, userId, key }]) => [all, userId, key]), [
        [true, undefined, undefined], [undefined, "ann", undefined],
        [undefined, undefined, { userId: "ann", connectionId: "c" }],
    ]);
});

test("health and the doctor give names and errors, for what a later daemon says too", async (t) => {
    const failure = { reason: 62, message: "the vault refuses the token" };
    const { client } = await scripted(t, {
        health: ({ respond }) => respond({ vaults: [
            { name: "a", breaker: 3, writes: 2, lastFailure: 61, writeFailure: 62, checkStatus: 7, checkFailure: failure },
            { name: "b" }, { name: "c", breaker: 9, writes: 9, lastFailure: 99 },
        ] }),
        doctor: ({ respond }) => respond({ vaults: [{ name: "a", steps: [
            { action: 1 }, { action: 4, status: 7, failure, advice: "look" }, { action: 9, skipped: true },
        ] }] }),
    });
    const { vaults } = await client.health();
    assert.deepEqual(
        vaults.map(({ breaker, writes, lastFailure, writeFailure }) => [breaker, writes, lastFailure, writeFailure]), [
            ["half-open", "fail", "VAULT_UNREACHABLE", "VAULT_REFUSED"], ["none", "unknown", "UNSPECIFIED", "UNSPECIFIED"],
            ["unknown", "unknown", "UNSPECIFIED", "UNSPECIFIED"],
        ]);
    assert.deepEqual([vaults[0].checkError.code, vaults[0].checkError.message], ["PERMISSION_DENIED", failure.message]);
    assert.ok(!("checkError" in vaults[1]));
    const [{ steps }] = await client.doctor();
    assert.deepEqual(steps.map(({ action, skipped, advice, error }) => [action, skipped, advice, error?.reason]), [
        ["store", false, "", undefined], ["delete", false, "look", "VAULT_REFUSED"], ["unknown", true, "", undefined],
    ]);
});

test("both kinds of modules share their classes", () => {
    const common = createRequire(import.meta.url)("../dist/index.js");
    assert.equal(common.Coffer, Coffer);
    assert.equal(common.CofferError, CofferError);
});

test("asyncDispose closes the client, where Node has it", { skip: Symbol.asyncDispose ? false : "no Symbol.asyncDispose" }, async (t) => {
    const { client } = await scripted(t, {});
    await client.get("ann", "c");
    await client[Symbol.asyncDispose]();
    assert.equal((await rejected(client.get("ann", "c"))).code, "CANCELLED");
});

test("a client that is not closed does not keep the process alive", async (t) => {
    const daemon = await fakeDaemon(t);
    const program = `
        const { Coffer } = require("./dist/index.js");
        const coffer = new Coffer({ socket: process.argv[1] });
        coffer.get("ann", "c").then((record) => console.log(record.text()));`;
    const child = spawn(
        process.execPath, ["-e", program, daemon.path], { cwd: new URL("..", import.meta.url), timeout: 10_000 });
    let printed = "";
    child.stdout.on("data", (text) => { printed += text; });
    const code = await new Promise((resolve) => child.on("close", resolve));
    assert.deepEqual([code, printed], [0, "c\n"]);
});

test("the manager has the framework's methods, order of arguments and texts", async (t) => {
    const kept = new Map();
    const name = ({ userId, connectionId }) => JSON.stringify([userId, connectionId]);
    const { client } = await scripted(t, {
        store({ message, respond }) {
            kept.set(name(message), message.credential);
            respond({ version: "v" });
        },
        get({ message, respond, fail }) {
            const credential = kept.get(name(message));
            if (credential) respond({ credential, version: "v" });
            else fail(5, { reason: 30, message: "no record" });
        },
        delete: ({ message, respond }) => respond({ existed: kept.delete(name(message)) }),
    });
    const manager = new CredentialManager(client);
    await manager.storeCredentials("test-conn", "test-user", { apiKey: "test" });
    assert.deepEqual([...kept.keys()], ['["test-user","test-conn"]']);
    assert.deepEqual(await manager.getCredentials("test-conn", "test-user"), { apiKey: "test" });
    await manager.deleteCredentials("test-conn", "test-user");
    await manager.deleteCredentials("test-conn", "test-user");
    const error = await rejected(manager.getCredentials("test-conn", "test-user"));
    assert.equal(error.message, "Credentials not found for connection: test-conn");
    assert.equal(error.code, "NOT_FOUND");
    await rejected(manager.storeCredentials("test-conn", "test-user", undefined));
});

test("a manager closes a client of its own, and leaves one that it shares open", async (t) => {
    const { client, path } = await scripted(t, { get: ({ respond }) => respond({ credential: Buffer.from("{}"), version: "v" }) });
    await new CredentialManager(client).close();
    assert.equal((await client.get("ann", "github")).text(), "{}");
    const own = new CredentialManager({ socket: path });
    assert.deepEqual(await own.getCredentials("github", "ann"), {});
    await own.close();
    assert.equal((await rejected(own.getCredentials("github", "ann"))).code, "CANCELLED");
});

test("the factory looks at the framework's variables and throws its errors", (t) => {
    const names = ["VAULT_TYPE", "VAULT_ADDR", "VAULT_TOKEN", "NODE_ENV", "CLOUDFLARE_SECRETS_STORE"];
    const before = names.map((name) => [name, process.env[name]]);
    t.after(() => before.forEach(([name, value]) => {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
    }));
    const make = (variables) => {
        for (const name of names) delete process.env[name];
        Object.assign(process.env, variables);
        return createCredentialManager();
    };
    const wrong = [
        [{ VAULT_TYPE: "cloudflare" }, "CLOUDFLARE_SECRETS_STORE not configured"],
        [{ VAULT_TYPE: "vault" }, "VAULT_ADDR and VAULT_TOKEN must be set"],
        [{ VAULT_TYPE: "vault", VAULT_ADDR: "https://vault" }, "VAULT_ADDR and VAULT_TOKEN must be set"],
        [{ NODE_ENV: "production" }, "Memory vault not allowed in production. Set VAULT_TYPE."],
        [{ NODE_ENV: "production", VAULT_TYPE: "nope" }, "Memory vault not allowed in production. Set VAULT_TYPE."],
    ];
    for (const [variables, message] of wrong) assert.throws(() => make(variables), { message });
    const right = [
        {}, { VAULT_TYPE: "memory" }, { VAULT_TYPE: "aws", NODE_ENV: "production" },
        { VAULT_TYPE: "coffer", NODE_ENV: "production" }, { VAULT_TYPE: "embedded", NODE_ENV: "production" },
        { VAULT_TYPE: "vault", VAULT_ADDR: "https://vault", VAULT_TOKEN: "t" },
        { VAULT_TYPE: "cloudflare", CLOUDFLARE_SECRETS_STORE: "store" },
    ];
    for (const variables of right) assert.ok(make(variables) instanceof CredentialManager);
});

test("no declaration that programs see names Node's own types", () => {
    const files = execFileSync("grep", ["-rlE", "Buffer\\b|NodeJS|node:", "dist", "--include=*.d.ts"], {
        cwd: new URL("..", import.meta.url), encoding: "utf8",
    }).trim().split("\n").sort();
    // Inside only: programs import none of these.
    const inner = ["connection", "daemon-socket", "socket-channel", "wire/frame-reader"];
    assert.deepEqual(files.filter((file) => !inner.some((name) => file === `dist/${name}.d.ts`)), []);
});
