// Runs the cases of a file with the Node client against a live daemon with an empty vault.
//
//     node run_cases.mjs --socket PATH cases.txt
//
// Prints a line for each failing case and at the end "N passed, N failed".

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { Coffer, CofferError } from "../../../clients/node/dist/esm.mjs";

const { values, positionals: [file] } = parseArgs({ allowPositionals: true, options: { socket: { type: "string" } } });
const coffer = new Coffer({ socket: values.socket });
/** Versions kept by `save=NAME`. */
const saved = new Map();
/** The reasons by the names that errors have. */
const REASONS = {
    MALFORMED: 10, BAD_FIELD: 11, UNKNOWN_METHOD: 12, FRAME_TOO_LARGE: 13, CREDENTIAL_TOO_LARGE: 14, NOT_SUPPORTED: 16,
    NOT_FOUND: 30, VERSION_MISMATCH: 31, ALREADY_EXISTS: 32, DENIED: 40, LIMIT: 41,
};

function unescape(value) {
    const bytes = [];
    for (let at = 0; at < value.length; at++) {
        if (value[at] !== "%") {
            bytes.push(value.charCodeAt(at));
            continue;
        }
        bytes.push(parseInt(value.slice(at + 1, at + 3), 16));
        at += 2;
    }
    return Buffer.from(bytes);
}

const text = (value) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(unescape(value));
const escape = (value) => encodeURIComponent(value)
    .replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
const fill = (count) => Buffer.from(Array.from({ length: count }, (_, index) => (index * 31 + 7) % 256));
const version = (value) => value.startsWith("@") ? saved.get(value.slice(1)) : text(value);
const keys = (value) => value === "" ? [] : value.split(",").map((pair) => pair.split(":").map(text))
    .map(([user, connection]) => ({ user, connection }));

/** The `key=value` tokens of one side; every one must be used. */
class Tokens {
    constructor(tokens) {
        this.values = new Map(tokens.map((token) => {
            const at = token.indexOf("=");
            if (at < 0) throw new Error(`expected key=value, got ${token}`);
            return [token.slice(0, at), token.slice(at + 1)];
        }));
        if (this.values.size !== tokens.length) throw new Error("a key appears twice");
    }

    take(key) {
        const value = this.values.get(key);
        this.values.delete(key);
        return value;
    }

    /** What `read` makes of the value; undefined if the key is absent. */
    map(key, read) {
        const value = this.take(key);
        return value === undefined ? undefined : read(value);
    }

    labels() {
        const names = [...this.values.keys()].filter((key) => key.startsWith("label."));
        return Object.fromEntries(names.map((name) => [text(name.slice(6)), text(this.take(name))]));
    }

    /** `value=` or `fill=`; undefined if neither. */
    credential() { return this.map("value", unescape) ?? this.map("fill", (count) => fill(Number(count))); }

    done() {
        if (this.values.size > 0) throw new Error(`unknown keys: ${[...this.values.keys()]}`);
    }
}

function expect(name, expected, actual) {
    if (!isDeepStrictEqual(expected, actual)) {
        throw new Error(`${name}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
    }
}

/** Each makes one call and gives a function that checks its answer. */
const METHODS = {
    async store(tokens) {
        const receipt = await coffer.store(text(tokens.take("user")), text(tokens.take("conn")), tokens.credential() ?? "", {
            ttlSeconds: tokens.map("ttl", Number), labels: tokens.labels(), ifVersion: tokens.map("if_version", version),
            ifAbsent: tokens.take("if_absent") === "1",
        });
        return (wanted) => {
            wanted.map("save", (name) => saved.set(name, receipt.version));
            expect("created before updated", true, receipt.createdAt <= receipt.updatedAt);
        };
    },

    async get(tokens) {
        const record = await coffer.get(
            text(tokens.take("user")), text(tokens.take("conn")), { maxAgeMs: tokens.map("max_age", Number) });
        return (wanted) => {
            const credential = wanted.credential();
            if (credential) expect("the credential is equal", true, credential.equals(record.bytes()));
            wanted.map("version", (value) => expect("version", version(value), record.version));
            wanted.map("labels", (count) => expect("labels", Number(count), Object.keys(record.labels).length));
            for (const [name, value] of Object.entries(wanted.labels())) expect(`label ${name}`, value, record.labels[name]);
            wanted.map("source", (source) => expect("source", source, record.source));
            wanted.map("expires", (expires) => expect("expires", expires === "1", record.expiresAt !== undefined));
        };
    },

    async delete(tokens) {
        const { existed } = await coffer.delete(
            text(tokens.take("user")), text(tokens.take("conn")), { ifVersion: tokens.map("if_version", version) });
        return (wanted) => wanted.map("existed", (value) => expect("existed", value, String(existed)));
    },

    async getmany(tokens) {
        const all = keys(tokens.take("keys"));
        const maxAgeMs = tokens.map("max_age", Number);
        // Only the stub can ask for none, or for too many at once.
        if (all.length === 0 || all.length > 256) {
            const request = { keys: all.map(({ user, connection }) => ({ userId: user, connectionId: connection })), maxAgeMs };
            for await (const _ of coffer.credentials.getMany(request));
        }
        const results = await coffer.getMany(all, { maxAgeMs });
        return (wanted) => wanted.map("results", (value) => expect(
            "results", value, results.map(({ error }) => error?.code ?? "OK").join(",")));
    },

    async list(tokens) {
        const connections = [];
        const list = coffer.list(text(tokens.take("user")), { pageSize: tokens.map("page_size", Number) });
        for await (const { connection } of list) connections.push(Buffer.from(connection));
        connections.sort(Buffer.compare);
        return (wanted) => wanted.map("connections", (value) => expect(
            "connections", value, connections.map((name) => escape(name.toString())).join(",")));
    },

    async health() {
        const { serving } = await coffer.health();
        return () => expect("serving", true, serving);
    },

    async ping() {
        const { instance, maxKeys, draining } = await coffer.ping();
        return (wanted) => {
            expect("digits of the instance", 16, instance.length);
            expect("keys", 256, maxKeys);
            expect("draining", wanted.take("draining"), String(draining));
        };
    },

    async stats() {
        const names = Object.keys(await coffer.stats());
        return () => expect("sorted names", names.length > 0 ? [...names].sort() : ["at least one"], names);
    },

    async invalidate(tokens) {
        const user = tokens.map("user", text), key = tokens.map("key", (value) => keys(value)[0]);
        const scope = tokens.take("all") === "1" ? { all: true } : key ?? (user === undefined ? undefined : { user });
        // Only the stub can leave the scope out.
        const dropped = scope ? await coffer.invalidate(scope) : Number((await coffer.admin.invalidate({})).dropped);
        return (wanted) => wanted.map("dropped", (count) => expect("dropped", Number(count), dropped));
    },

    async sleep(tokens) {
        await sleep(Number(tokens.take("ms")));
        return () => {};
    },
};

async function run(line) {
    const [left, right] = line.split(" => ");
    const [method, ...request] = left.split(" ");
    const [status, ...expectations] = right.split(" ");
    const tokens = new Tokens(request), wanted = new Tokens(expectations);
    const reason = wanted.map("reason", Number);
    let check;
    try {
        check = await METHODS[method](tokens);
    } catch (error) {
        if (!(error instanceof CofferError)) throw error;
        if (error.code !== status) throw new Error(`expected ${status}, got ${error.code}: ${error.message}`);
        if (reason !== undefined) expect("reason", reason, REASONS[error.reason]);
        wanted.done();
        return;
    }
    expect("status", status, "OK");
    tokens.done();
    check(wanted);
    wanted.done();
}

let passed = 0, failed = 0;
for (const [index, line] of readFileSync(file, "utf8").split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    try {
        await run(line);
        passed++;
    } catch (error) {
        failed++;
        console.log(`line ${index + 1}: ${line.slice(0, 120)}: ${error.message}`);
    }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
