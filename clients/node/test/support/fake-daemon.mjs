// A daemon inside of the test: a script reads the frames of each connection and writes what it likes.

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import credentials from "../../dist/generated/credentials.js";
import admin from "../../dist/generated/admin.js";
import frames from "../../dist/wire/frame.js";
import { Writer } from "../../dist/wire/writer.js";
import { Reader } from "../../dist/wire/reader.js";
import { Coffer } from "../../dist/esm.mjs";

export const MESSAGES = { ...credentials.messages, ...admin.messages };
export const METHODS = { ...credentials.CredentialsMethods, ...admin.AdminMethods };
const { HEADER_BYTES, headerAt, putHeader, Kind } = frames;

/** The bytes of a message. */
export function encode(type, fields) {
    const writer = new Writer(Buffer.alloc(64));
    MESSAGES[`coffer.v1.${type}`].encode(fields, writer);
    return Buffer.from(writer.memory.subarray(0, writer.at));
}

/** A message from its bytes. */
export function decode(type, bytes) {
    return MESSAGES[`coffer.v1.${type}`].decode(new Reader(Buffer.from(bytes)), bytes.length);
}

/** A whole frame. */
export function frame(kind, callId, { third = 0, fourth = 0, flags = 0, payload = Buffer.alloc(0) } = {}) {
    const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
    putHeader(bytes, 0, bytes.length, kind, callId, third, fourth, flags);
    payload.copy(bytes, HEADER_BYTES);
    return bytes;
}

/** One connection of a client, as the script sees it. */
export class Peer {
    #socket;
    #bytes = Buffer.alloc(0);
    #isOver = false;
    #wake = () => {};

    constructor(socket) {
        this.#socket = socket;
        socket.on("data", (bytes) => { this.#bytes = Buffer.concat([this.#bytes, bytes]); this.#wake(); });
        socket.on("error", () => {});
        socket.on("close", () => { this.#isOver = true; this.#wake(); });
        socket.on("end", () => { this.#isOver = true; this.#wake(); });
    }

    /** The next frame: its header's fields and `payload`; undefined at the end. */
    async read() {
        for (;;) {
            const size = this.#bytes.length >= 4 ? 4 + this.#bytes.readUInt32BE(0) : Infinity;
            if (this.#bytes.length >= size) {
                const bytes = this.#bytes.subarray(0, size);
                this.#bytes = this.#bytes.subarray(size);
                return { ...headerAt(bytes, 0), payload: bytes.subarray(HEADER_BYTES) };
            }
            if (this.#isOver) return undefined;
            await new Promise((resolve) => { this.#wake = resolve; });
        }
    }

    write(bytes) { this.#socket.write(bytes); }
    /** Answers a call with a message. */
    respond(callId, type, fields, flags = 0) {
        this.write(frame(Kind.RESPONSE, callId, { flags, payload: encode(type, fields) }));
    }
    fail(callId, status, fields = {}, retryMs = 0) {
        this.write(frame(Kind.RESPONSE, callId, { third: status, fourth: retryMs, payload: encode("Failure", fields) }));
    }
    goAway() { this.write(frame(Kind.GO_AWAY, 0)); }
    /** The end, once all is written. */
    end() { this.#socket.end(); }
    /** The end at once. */
    destroy() { this.#socket.destroy(); }
}

/** Answers each Get with its connection's id, each Store with a version, until the client leaves. */
export async function serve(peer) {
    for (let request; (request = await peer.read()) !== undefined;) answer(peer, request);
}

/** Answers one request as `serve` does. */
export function answer(peer, request) {
    if (request.kind !== Kind.REQUEST) return;
    if (request.methodOrStatus === METHODS.get.id) {
        const { connectionId } = decode("GetRequest", request.payload);
        peer.respond(request.callId, "GetResponse", { credential: Buffer.from(connectionId), version: "v-1", source: 1 });
    } else if (request.methodOrStatus === METHODS.store.id) {
        peer.respond(request.callId, "StoreResponse", { version: "v-2", createdAtMs: 1, updatedAtMs: 2 });
    } else {
        peer.fail(request.callId, 12, { reason: 12, message: "no such method" });
    }
}

/**
 * A daemon for the time of a test. `script` runs for each connection with its number from 1; its errors fail the test.
 *
 * @returns its path, how many connections came, a client of it, and what stops and starts it
 */
export async function fakeDaemon(t, script = serve, options = {}) {
    const folder = mkdtempSync(join(tmpdir(), "coffer-node-"));
    const path = join(folder, "s");
    const peers = new Set();
    const errors = [];
    const daemon = { path, connections: 0, errors, requests: 0 };
    let server;
    daemon.start = () => new Promise((resolve) => {
        server = createServer({ allowHalfOpen: true }, (socket) => {
            peers.add(socket);
            socket.on("close", () => peers.delete(socket));
            const number = ++daemon.connections;
            Promise.resolve(script(new Peer(socket), number)).catch((error) => errors.push(error));
        });
        server.listen(path, resolve);
    });
    daemon.stop = () => new Promise((resolve) => {
        for (const socket of peers) socket.destroy();
        server.close(resolve);
    });
    await daemon.start();
    daemon.client = new Coffer({ socket: path, timeoutMs: 5000, ...options });
    t.after(async () => {
        await daemon.client.close();
        if (server.listening) await daemon.stop();
        rmSync(folder, { recursive: true, force: true });
        if (errors.length > 0) throw errors[0];
    });
    return daemon;
}
