// What the reader refuses and the writer writes, beyond the vectors: PROTOCOL.md, "Beyond plain protobuf".

import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "./support/fake-daemon.mjs";

const bytes = (text) => Buffer.from(text.replaceAll(" ", ""), "hex");
const repeat = (text, times) => Buffer.concat(Array.from({ length: times }, () => bytes(text)));

test("what could be read in two ways is refused, with a reason that quotes none of it", () => {
    const cases = [
        ["GetResponse", "80 00", "a varint is not in its shortest form"],
        ["GetResponse", "20 80 00", "a varint is not in its shortest form"],
        ["GetResponse", "20 ff", "a value goes beyond the end"],
        ["GetResponse", "20 ff ff ff ff ff ff ff ff", "a value goes beyond the end"],
        ["GetResponse", "20 80 80 80 80 80 80 80 80 80 00", "a varint is not in its shortest form"],
        ["GetResponse", "20 ff ff ff ff ff ff ff ff ff 02", "a varint is over 64 bits"],
        ["GetResponse", "20 80 80 80 80 80 80 80 80 80 80 01", "a varint is over 64 bits"],
        ["GetResponse", "00 00", "a field number is 1 to 536870911"],
        ["GetResponse", "80 80 80 80 10 00", "a field number is 1 to 536870911"],
        ["GetResponse", "0f", "not the wire type of this field"],
        ["GetResponse", "08 01", "not the wire type of this field"],
        ["GetResponse", "22 01 61", "not the wire type of this field"],
        ["GetResponse", "a3 06 a4 06", "groups are not accepted"],
        ["GetResponse", "a6 06", "groups are not accepted"],
        ["GetResponse", "a1 06 00 00 00", "a value goes beyond the end"],
        ["GetResponse", "a5 06 00 00 00", "a value goes beyond the end"],
        ["GetResponse", "a2 06 05 00", "a length goes beyond the end"],
        ["GetResponse", "0a ff ff ff ff ff ff ff ff ff 01", "a length goes beyond the end"],
        ["GetResponse", "48 02", "a bool is 0 or 1"],
        ["GetResponse", "38 ff ff ff ff 0f", "over 31 bits"],
        ["GetResponse", "12 02 c0 80", "not valid UTF-8"],
        ["GetResponse", "12 03 ed a0 80", "not valid UTF-8"],
        ["GetResponse", "12 04 f4 90 80 80", "not valid UTF-8"],
        ["GetResponse", "12 01 00", "U+0000 is not allowed in text"],
        ["GetResponse", "1a 06 0a 01 61 12 01 62 1a 06 0a 01 61 12 01 63", "a map has a key twice"],
        ["GetResponse", "1a 06 0a 01 61 0a 01 62", "a field, or a second member of a oneof, appears twice"],
        ["GetResponse", "1a 02 18 01", "too many unknown fields"],
        ["GetResult", "08 80 80 80 80 10", "over 32 bits"],
        ["GetResult", "1a 00 22 00", "a field, or a second member of a oneof, appears twice"],
        ["GetResult", "1a 05 0a 02 61 62", "a length goes beyond the end"],
        ["StoreRequest", "32 01 76 38 01", "a field, or a second member of a oneof, appears twice"],
    ];
    for (const [type, hex, message] of cases) assert.throws(() => decode(type, bytes(hex)), { message }, hex);
});

test("elements and unknown fields count for the message that holds them", () => {
    const nested = (count) => {
        const inner = Buffer.concat([bytes("08 01"), repeat("a0 06 01", count)]);
        return Buffer.concat([bytes("0a"), Buffer.from([inner.length & 0x7f | 0x80, inner.length >> 7]), inner]);
    };
    assert.equal(decode("GetManyResponse", Buffer.concat([nested(1024), nested(1024)])).results.length, 2);
    assert.throws(() => decode("GetManyResponse", nested(1025)), { message: "too many unknown fields" });
    assert.equal(decode("StatsResponse", repeat("0a 00", 1024)).stats.length, 1024);
    assert.throws(() => decode("StatsResponse", repeat("0a 00", 1025)), { message: "more than 1024 elements" });
});

test("an enum value that a later daemon has added is no error", () => {
    assert.equal(decode("GetResponse", bytes("38 63")).source, 99);
});

test("64 bits are exact, as a number where one holds them", () => {
    const values = [0, 1, 127, 128, 2 ** 32, 2 ** 49 - 1, 2 ** 49, Number.MAX_SAFE_INTEGER, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
    for (const value of values) {
        assert.strictEqual(decode("GetRequest", encode("GetRequest", { maxAgeMs: value })).maxAgeMs, value);
    }
    for (const value of [-1, 1.5, 2 ** 53, 2n ** 64n, -1n, NaN]) {
        assert.throws(() => encode("GetRequest", { maxAgeMs: value }), { code: "INVALID_ARGUMENT" }, String(value));
    }
    assert.throws(() => encode("StoreRequest", { ttlSeconds: 2 ** 32 }), { code: "INVALID_ARGUMENT" });
});

test("texts and nested messages of every length around the sizes of their lengths", () => {
    for (const length of [0, 1, 126, 127, 128, 129, 16_383, 16_384, 70_000]) {
        for (const letter of ["a", "é", "連", "🔑"]) {
            const text = letter.repeat(length);
            assert.equal(decode("Key", encode("Key", { userId: text })).userId, text, `${letter} ${length}`);
            const request = { keys: [{ userId: text, connectionId: "c" }, { userId: "u", connectionId: text }] };
            assert.deepEqual(decode("GetManyRequest", encode("GetManyRequest", request)).keys, request.keys);
        }
    }
});

test("random bytes decode to a message or to a fault, and never hang or read past the end", () => {
    let seed = 1;
    const next = () => (seed = (seed * 48271) % 2147483647);
    const types = ["GetResponse", "GetManyResponse", "ListResponse", "HealthResponse", "DoctorResponse", "Failure"];
    for (let round = 0; round < 20_000; round++) {
        const data = Buffer.from(Array.from({ length: next() % 40 }, () => next() % 4 === 0 ? next() % 256 : next() % 24));
        try {
            decode(types[round % types.length], data);
        } catch (error) {
            assert.equal(error.constructor.name, "DecodeFault", error.stack);
        }
    }
});
