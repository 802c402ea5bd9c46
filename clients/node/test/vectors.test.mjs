// The bytes that every implementation is tested with, made by another protobuf library than the client's.

import assert from "node:assert/strict";
import { test } from "node:test";
import frames from "../dist/wire/frame.js";
import { FrameReader } from "../dist/wire/frame-reader.js";
import { Reader } from "../dist/wire/reader.js";
import { Writer } from "../dist/wire/writer.js";
import { CofferError } from "../dist/esm.mjs";
import { answer, fakeDaemon, MESSAGES, METHODS } from "./support/fake-daemon.mjs";
import { bytesOf, vectors } from "./support/vectors.mjs";

const { HEADER_BYTES, headerAt, Kind, putHeader } = frames;
const STATUS = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
];

const snake = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const escape = (text) => encodeURIComponent(text)
    .replace(/[!'()*]/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);

/** The fields of a message as the vectors write them: path to text. Defaults are marked, for they may be left out. */
function flatten(message, prefix = "", isMap = false) {
    return Object.entries(message).flatMap(([name, value]) => {
        const path = prefix + (isMap ? escape(name).replaceAll(".", "%2E") : snake(name));
        if (value === undefined) return [];
        if (value instanceof Uint8Array) return [[path, Buffer.from(value).toString("hex"), value.length === 0]];
        if (Array.isArray(value)) {
            return value.flatMap((one, index) => typeof one === "object"
                ? flatten(one, `${path}.${index}.`) : [[`${path}.${index}`, escape(one), false]]);
        }
        if (typeof value === "object") return flatten(value, `${path}.`, Object.getPrototypeOf(value) === null);
        if (typeof value === "boolean") return [[path, value ? "1" : "0", !value]];
        return [[path, typeof value === "string" ? escape(value) : String(value), isMap ? false : !value]];
    });
}

function normal(path, text) {
    return path === "credential" || path.endsWith(".credential") ? bytesOf(text).toString("hex") : text;
}

function checkMessage(vector, payload) {
    const type = MESSAGES[vector.fields.get("type")];
    const message = type.decode(new Reader(payload), payload.length);
    const expected = new Map([...vector.fields].slice([...vector.fields.keys()].indexOf("type") + 1));
    for (const [path, text, isDefault] of flatten(message)) {
        if (isDefault && !expected.has(path)) continue;
        assert.equal(text, normal(path, expected.get(path) ?? "absent"), `${vector.name}: ${path}`);
        expected.delete(path);
    }
    assert.deepEqual([...expected.keys()], [], vector.name);
    if (vector.fields.get("canonical") !== "1") return;
    const writer = new Writer(Buffer.alloc(8));
    type.encode(message, writer);
    assert.equal(writer.memory.toString("hex", 0, writer.at), payload.toString("hex"), vector.name);
}

test("every valid frame is taken apart as it should, and canonical ones are made again byte for byte", () => {
    const all = vectors("frames.txt");
    assert.ok(all.length >= 50);
    for (const vector of all) {
        const { fields, bytes, outcome } = vector;
        const header = headerAt(bytes, 0);
        assert.equal(bytes.readUInt32BE(0) + 4, bytes.length, vector.name);
        assert.equal(header.callId.toString(), fields.get("call") ?? "0", vector.name);
        const kinds = { request: Kind.REQUEST, response: Kind.RESPONSE, cancel: Kind.CANCEL, "go-away": Kind.GO_AWAY };
        assert.equal(header.kind, kinds[outcome], vector.name);
        if (outcome === "request") {
            assert.equal(String(header.timeoutOrRetry), fields.get("timeout"), vector.name);
            const method = Object.values(METHODS).find(({ id }) => id === header.methodOrStatus);
            assert.equal(escape(method.fullName), fields.get("method"), vector.name);
        } else if (outcome === "response") {
            assert.equal(STATUS[header.methodOrStatus], fields.get("status"), vector.name);
            assert.equal(String(header.timeoutOrRetry), fields.get("retry"), vector.name);
            assert.equal(String(header.flags), fields.get("more"), vector.name);
        }
        const again = Buffer.alloc(HEADER_BYTES);
        putHeader(
            again, 0, bytes.length, header.kind, header.callId, header.methodOrStatus, header.timeoutOrRetry, header.flags);
        assert.equal(again.toString("hex"), bytes.toString("hex", 0, HEADER_BYTES), vector.name);
        if (fields.has("type")) checkMessage(vector, bytes.subarray(HEADER_BYTES));
    }
});

test("frames come out whole, however they arrive", () => {
    const all = vectors("frames.txt").map(({ bytes }) => bytes);
    const stream = Buffer.concat(all);
    for (const size of [1, 7, 4096, 65536]) for (const most of [1, 3, Infinity]) for (const isLate of [false, true]) {
        const reader = new FrameReader();
        const taken = [];
        const accept = (memory, start, end) => {
            taken.push(memory.toString("hex", start, end));
            return true;
        };
        for (let at = 0; at < stream.length; at += size) {
            const piece = Buffer.from(stream.subarray(at, at + size));
            const before = taken.length;
            let isMore = reader.take(piece, piece.length, most, accept);
            piece.fill(0);
            assert.ok(taken.length - before <= most, `${taken.length - before} frames taken, at most ${most}`);
            while (isMore && !isLate) isMore = reader.takeKept(most, accept);
        }
        while (reader.takeKept(most, accept));
        assert.deepEqual(taken, all.map((bytes) => bytes.toString("hex")), `pieces of ${size} bytes, ${most} frames at once`);
    }
});

test("nothing is taken of what comes behind the frame that ends the connection", () => {
    const bytes = Buffer.concat([20, 20, 20].map((length) => {
        const frame = Buffer.alloc(HEADER_BYTES);
        frame.writeUInt32BE(length);
        return frame;
    }));
    for (const pieces of [[bytes.length], [10, bytes.length - 10], [HEADER_BYTES + 1, 2 * HEADER_BYTES - 1]]) {
        const reader = new FrameReader();
        let count = 0, at = 0;
        for (const size of pieces) {
            reader.take(bytes.subarray(at, at + size), size, Infinity, () => {
                count += 1;
                if (count === 2) reader.wipe();
                return count < 2;
            });
            at += size;
        }
        assert.equal(count, 2);
    }
});

test("what a daemon must not send ends the call, and the connection where it must", async (t) => {
    const all = vectors("bad-responses.txt");
    assert.ok(all.length >= 20);
    for (const vector of all) {
        await t.test(vector.name, async (t) => {
            const daemon = await fakeDaemon(t, async (peer, number) => {
                for (let request, count = 0; (request = await peer.read()) !== undefined;) {
                    if (request.kind !== Kind.REQUEST) continue;
                    if (number === 1 && count++ === 0) peer.write(vector.bytes);
                    else answer(peer, request);
                }
            });
            const code = await daemon.client.get("ann", "github").then(() => "OK", (error) => error.code);
            assert.equal(code, vector.fields.get("status"));
            assert.equal((await daemon.client.get("ann", "next")).text(), "next");
            assert.equal(daemon.connections, vector.fields.get("then") === "closed" ? 2 : 1);
        });
    }
});

test("a write whose answer says nothing of it may have happened; one whose failure explains it has not", async (t) => {
    for (const vector of vectors("bad-responses.txt")) {
        await t.test(vector.name, async (t) => {
            const daemon = await fakeDaemon(t, async (peer) => {
                await peer.read();
                peer.write(vector.bytes);
                await peer.read();
            });
            const error = await daemon.client.store("ann", "github", "x").then(() => undefined, (error) => error);
            assert.ok(error instanceof CofferError);
            assert.equal(error.mayHaveHappened, true);
            assert.match(error.message, /; a write may have happened$/);
        });
    }
    for (const mayHaveHappened of [false, true]) {
        const daemon = await fakeDaemon(t, async (peer) => {
            peer.fail((await peer.read()).callId, 13, { reason: 79, message: "no", mayHaveHappened });
            await peer.read();
        });
        await assert.rejects(daemon.client.store("ann", "github", "x"), { mayHaveHappened, message: "no" });
    }
});
