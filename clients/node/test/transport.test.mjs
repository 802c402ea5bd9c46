// One connection for all calls: order, cancelling, deadlines, the cap, and what happens when the daemon goes.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import frames from "../dist/wire/frame.js";
import { Coffer } from "../dist/esm.mjs";
import { answer, decode, encode, fakeDaemon, frame, METHODS, serve } from "./support/fake-daemon.mjs";

const { Kind } = frames;
const key = (request) => decode("GetRequest", request.payload).connectionId;

/** What a promise is rejected with. */
async function failure(promise) {
    try {
        await promise;
    } catch (error) {
        return error;
    }
    throw new assert.AssertionError({ message: "expected a failure, the call succeeded" });
}

test("answers in any order reach their own calls", async (t) => {
    const daemon = await fakeDaemon(t, async (peer) => {
        const requests = [];
        while (requests.length < 20) requests.push(await peer.read());
        for (const request of requests.reverse()) answer(peer, request);
        await serve(peer);
    });
    const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
    const records = await Promise.all(names.map((name) => daemon.client.get("ann", name)));
    assert.deepEqual(records.map((record) => record.text()), names);
    assert.equal(daemon.connections, 1);
});

test("of many answers that come at once, the first are gone on with before the last are decoded", async (t) => {
    let isWatched;
    const watched = new Promise((resolve) => { isWatched = resolve; });
    const payload = encode("GetResponse", { credential: Buffer.from("s"), version: "v-1", source: 1 });
    const daemon = await fakeDaemon(t, async (peer) => {
        const requests = [];
        while (requests.length < 20) requests.push(await peer.read());
        await watched;
        peer.write(Buffer.concat(requests.map(({ callId }) => frame(Kind.RESPONSE, callId, { payload }))));
        await serve(peer);
    });
    const events = [];
    const loops = Array.from({ length: 20 }, async () => {
        await daemon.client.get("ann", "first");
        events.push("goes on");
        await daemon.client.get("ann", "next");
    });
    while (daemon.client.channel.connection?.socket === undefined) await sleep(1);
    const { socket } = daemon.client.channel.connection;
    const write = socket.write.bind(socket);
    socket.write = (...all) => {
        events.push("sends");
        return write(...all);
    };
    isWatched();
    await Promise.all(loops);
    const first = events.indexOf("goes on");
    const sent = events.indexOf("sends", first);
    assert.ok(sent !== -1 && sent < events.lastIndexOf("goes on"), events.join(", "));
    assert.ok(events.filter((event) => event === "sends").length < 20, `one for each call: ${events.join(", ")}`);
});

test("ids go on beyond 32 bits", async (t) => {
    const ids = [];
    const daemon = await fakeDaemon(t, async (peer) => {
        for (let request; (request = await peer.read()) !== undefined; answer(peer, request)) ids.push(request.callId);
    });
    await daemon.client.get("ann", "first");
    daemon.client.channel.connection.lastId = 2 ** 32 - 2;
    const names = ["a", "b", "c", "d"];
    const records = await Promise.all(names.map((name) => daemon.client.get("ann", name, { timeoutMs: 1000 })));
    assert.deepEqual(records.map((record) => record.text()), names);
    assert.deepEqual(ids, [1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 32 + 2]);
});

test("no more calls are in flight than the cap allows, and the others wait their turn", async (t) => {
    let inFlight = 0, most = 0;
    const order = [];
    const daemon = await fakeDaemon(t, async (peer) => {
        for (let request; (request = await peer.read()) !== undefined;) {
            most = Math.max(most, ++inFlight);
            order.push(key(request));
            const one = request;
            setTimeout(() => { inFlight--; answer(peer, one); }, 5);
        }
    }, { maxInFlight: 3 });
    const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
    await Promise.all(names.map((name) => daemon.client.get("ann", name)));
    assert.equal(most, 3);
    assert.deepEqual(order, names);
});

test("a request carries the time that is left, rounded up", async (t) => {
    const timeouts = [];
    const daemon = await fakeDaemon(t, async (peer) => {
        for (let request; (request = await peer.read()) !== undefined; answer(peer, request)) {
            timeouts.push(request.timeoutOrRetry);
        }
    });
    await daemon.client.get("ann", "c", { timeoutMs: 700 });
    await daemon.client.get("ann", "c");
    assert.ok(timeouts[0] > 500 && timeouts[0] <= 700, `${timeouts[0]} ms`);
    assert.ok(timeouts[1] > 4500 && timeouts[1] <= 5000, `${timeouts[1]} ms`);
});

test("a call ends with its time, is cancelled, and its late answer disturbs nobody", async (t) => {
    const kinds = [];
    const daemon = await fakeDaemon(t, async (peer) => {
        answer(peer, await peer.read());
        const silent = await peer.read();
        for (let request; (request = await peer.read()) !== undefined;) {
            kinds.push([request.kind, request.callId === silent.callId]);
            if (request.kind === Kind.CANCEL) answer(peer, silent);
            else answer(peer, request);
        }
    });
    // Else the time may be over before the connection is there, and nothing is sent.
    await daemon.client.get("ann", "connected");
    const started = performance.now();
    const error = await failure(daemon.client.get("ann", "silent", { timeoutMs: 60 }));
    const took = performance.now() - started;
    assert.equal(error.code, "DEADLINE_EXCEEDED");
    assert.equal(error.mayHaveHappened, false);
    assert.ok(took >= 59 && took < 1000, `${took} ms`);
    assert.equal((await daemon.client.get("ann", "next")).text(), "next");
    assert.deepEqual(kinds, [[Kind.CANCEL, true], [Kind.REQUEST, false]]);
});

test("deadlines of many calls are kept, whatever their order", async (t) => {
    const daemon = await fakeDaemon(t, async (peer) => { while (await peer.read()); }, { maxInFlight: 10 });
    const started = performance.now();
    const times = [300, 50, 200, 100, 250, 50, 150, 20, 30, 40, 60, 80, 90, 110];
    const ends = await Promise.all(times.map(async (timeoutMs) => {
        const error = await failure(daemon.client.get("ann", "c", { timeoutMs }));
        assert.equal(error.code, "DEADLINE_EXCEEDED");
        return performance.now() - started;
    }));
    ends.forEach((end, index) => assert.ok(end >= times[index] - 1 && end < times[index] + 400, `${times[index]}: ${end}`));
});

test("a store that was sent and not answered may have happened; one that waits was not sent", async (t) => {
    const daemon = await fakeDaemon(t, async (peer) => { while (await peer.read()); }, { maxInFlight: 1 });
    const [sent, waiting] = await Promise.all([
        failure(daemon.client.store("ann", "a", "x", { timeoutMs: 60 })),
        failure(daemon.client.store("ann", "b", "x", { timeoutMs: 30 })),
    ]);
    assert.deepEqual([sent.code, sent.mayHaveHappened], ["DEADLINE_EXCEEDED", true]);
    assert.equal(sent.message, "no answer within the time given; a write may have happened");
    assert.deepEqual([waiting.code, waiting.mayHaveHappened], ["DEADLINE_EXCEEDED", false]);
    assert.equal(waiting.message, "no answer within the time given; the call was not sent");
});

test("a time without end, without sense or over already disturbs no other call", async (t) => {
    const timeouts = [];
    const daemon = await fakeDaemon(t, async (peer) => {
        const store = await peer.read();
        const get = await peer.read();
        timeouts.push(get.timeoutOrRetry);
        answer(peer, get);
        await sleep(50);
        answer(peer, store);
        await serve(peer);
    });
    const store = daemon.client.store("ann", "github", "x");
    assert.equal((await daemon.client.get("ann", "github", { timeoutMs: Infinity })).text(), "github");
    for (const timeoutMs of [NaN, "5000", 5n, {}]) {
        const error = await failure(daemon.client.store("ann", "github", "x", { timeoutMs }));
        assert.equal(error.code, "INVALID_ARGUMENT");
        assert.match(error.message, /^timeoutMs: expected a number of milliseconds, got (NaN|string|bigint|object)$/);
    }
    for (const timeoutMs of [0, -1, -Infinity]) {
        const error = await failure(daemon.client.store("ann", "github", "x", { timeoutMs }));
        assert.equal(error.code, "DEADLINE_EXCEEDED");
        assert.equal(error.mayHaveHappened, false);
    }
    assert.equal((await store).version, "v-2");
    assert.deepEqual(timeouts, [0xffffffff]);
    assert.equal(daemon.connections, 1);
});

test("an aborted signal ends a call with CANCELLED and its reason, at any moment", async (t) => {
    const kinds = [];
    const daemon = await fakeDaemon(t, async (peer) => {
        for (let request; (request = await peer.read()) !== undefined;) kinds.push(request.kind);
    }, { maxInFlight: 1 });
    const reason = new Error("the user left");
    const before = await failure(daemon.client.get("ann", "c", { signal: AbortSignal.abort(reason) }));
    assert.deepEqual([before.code, before.cause], ["CANCELLED", reason]);
    assert.match(before.message, /; the call was not sent$/);

    const sent = new AbortController(), waiting = new AbortController();
    const first = failure(daemon.client.store("ann", "c", "x", { signal: sent.signal }));
    const second = failure(daemon.client.store("ann", "c", "y", { signal: waiting.signal }));
    while (kinds.length < 1) await sleep(1);
    waiting.abort();
    sent.abort();
    assert.deepEqual([(await second).code, (await second).mayHaveHappened], ["CANCELLED", false]);
    assert.deepEqual([(await first).code, (await first).mayHaveHappened], ["CANCELLED", true]);
    while (kinds.length < 2) await sleep(1);
    assert.deepEqual(kinds, [Kind.REQUEST, Kind.CANCEL]);
});

test("a request that has not left is taken back, and those around it arrive whole", async (t) => {
    const seen = [];
    const daemon = await fakeDaemon(t, async (peer) => {
        for (let request; (request = await peer.read()) !== undefined; answer(peer, request)) seen.push(key(request));
    });
    await daemon.client.get("ann", "connected");
    const controller = new AbortController();
    // Two are fewer than are sent at once.
    const calls = [
        daemon.client.get("ann", "first"),
        failure(daemon.client.get("ann", "taken-back", { signal: controller.signal })),
    ];
    controller.abort();
    calls.push(daemon.client.get("ann", "last"));
    const [first, error, last] = await Promise.all(calls);
    assert.deepEqual([first.text(), last.text()], ["first", "last"]);
    assert.match(error.message, /; the call was not sent$/);
    assert.deepEqual(seen, ["connected", "first", "last"]);
});

test("a signal that outlives its calls keeps nothing of them", async (t) => {
    const daemon = await fakeDaemon(t);
    let listeners = 0;
    const signal = {
        aborted: false,
        addEventListener() { listeners++; },
        removeEventListener() { listeners--; },
    };
    for (let index = 0; index < 20; index++) await daemon.client.get("ann", "c", { signal });
    assert.equal(listeners, 0);
});

test("after go-away the calls in flight are finished, and new ones go to a new connection", async (t) => {
    let goAway, release, ended = false;
    const told = new Promise((resolve) => { goAway = resolve; });
    const held = new Promise((resolve) => { release = resolve; });
    const daemon = await fakeDaemon(t, async (peer, number) => {
        if (number > 1) return serve(peer);
        const first = await peer.read();
        await told;
        peer.goAway();
        await held;
        answer(peer, first);
        assert.equal(await peer.read(), undefined, "nothing is sent after go-away");
        ended = true;
    });
    const first = daemon.client.get("ann", "old");
    goAway();
    await sleep(50);
    assert.equal((await daemon.client.get("ann", "new")).text(), "new");
    assert.equal(daemon.connections, 2);
    release();
    assert.equal((await first).text(), "old");
    for (let count = 0; !ended && count < 2000; count++) await sleep(1);
    assert.ok(ended, "the connection ends when its calls are done");
});

test("a call that is given up on a draining connection is cancelled there", async (t) => {
    const seen = [];
    const daemon = await fakeDaemon(t, async (peer, number) => {
        if (number > 1) return serve(peer);
        const requests = [await peer.read(), await peer.read()];
        peer.goAway();
        seen.push(await peer.read());
        answer(peer, requests[1]);
        seen.push(await peer.read());
    });
    const given = failure(daemon.client.get("ann", "given-up", { timeoutMs: 100 }));
    const kept = daemon.client.get("ann", "kept");
    assert.equal((await given).code, "DEADLINE_EXCEEDED");
    assert.equal((await kept).text(), "kept");
    assert.equal((await daemon.client.get("ann", "next")).text(), "next");
    // With its last call the connection ends.
    while (seen.length < 2) await sleep(5);
    assert.deepEqual([seen[0].kind, seen[0].callId, seen[1]], [Kind.CANCEL, 1, undefined]);
    assert.equal(daemon.connections, 2);
});

test("a cancel that waits to be sent as go-away comes is sent", async (t) => {
    const seen = [];
    let goAway;
    const told = new Promise((resolve) => { goAway = resolve; });
    const daemon = await fakeDaemon(t, async (peer, number) => {
        if (number > 1) return serve(peer);
        const requests = [await peer.read(), await peer.read()];
        await told;
        peer.goAway();
        seen.push(await peer.read());
        answer(peer, requests[1]);
        seen.push(await peer.read());
    });
    const controller = new AbortController();
    const given = failure(daemon.client.get("ann", "given-up", { signal: controller.signal }));
    const kept = daemon.client.get("ann", "kept");
    while (!daemon.client.channel.connection) await sleep(1);
    const { connection } = daemon.client.channel;
    const drain = connection.drain.bind(connection);
    let moved;
    // In one turn: the call is given up, another begins, and go-away is read.
    connection.drain = () => {
        controller.abort();
        moved = daemon.client.get("ann", "moved");
        drain();
    };
    goAway();
    assert.equal((await given).code, "CANCELLED");
    assert.equal((await moved).text(), "moved");
    assert.equal((await kept).text(), "kept");
    while (seen.length < 2) await sleep(5);
    assert.deepEqual([seen[0].kind, seen[0].callId, seen[1]], [Kind.CANCEL, 1, undefined]);
    assert.equal(daemon.connections, 2);
});

test("what a draining daemon refuses is made again, writes too", async (t) => {
    const daemon = await fakeDaemon(t, async (peer, number) => {
        if (number > 1) return serve(peer);
        for (let request; (request = await peer.read()) !== undefined;) {
            peer.fail(request.callId, 14, { reason: 60, message: "the daemon is stopping; connect again", retryable: true });
        }
    });
    const [record, receipt] = await Promise.all([daemon.client.get("ann", "c"), daemon.client.store("ann", "c", "x")]);
    assert.equal(record.text(), "c");
    assert.equal(receipt.version, "v-2");
    assert.equal(daemon.connections, 2);
});

test("a write that a stopping daemon had begun is not made again", async (t) => {
    const daemon = await fakeDaemon(t, async (peer, number) => {
        if (number > 1) return serve(peer);
        const { callId } = await peer.read();
        peer.fail(callId, 14, {
            reason: 60, message: "the daemon stopped before the vault answered; a write may have happened", retryable: true,
            mayHaveHappened: true,
        });
    });
    const error = await failure(daemon.client.store("ann", "c", "x"));
    assert.deepEqual([error.code, error.reason, error.mayHaveHappened], ["UNAVAILABLE", "DRAINING", true]);
});

test("a daemon that drains for ever is not asked for ever", async (t) => {
    let count = 0;
    const daemon = await fakeDaemon(t, async (peer) => {
        for (let request; (request = await peer.read()) !== undefined; count++) {
            peer.fail(request.callId, 14, { reason: 60, message: "stopping" });
        }
    });
    assert.equal((await failure(daemon.client.get("ann", "c"))).reason, "DRAINING");
    assert.equal(count, 4);
});

test("a connection that may not stay gives its calls the daemon's reason, and nothing was done", async (t) => {
    const daemon = await fakeDaemon(t, async (peer) => {
        peer.write(frame(Kind.GO_AWAY, 0, {
            third: 8, fourth: 250, payload: encode("Failure", { reason: 41, message: "too many connections", retryable: true }),
        }));
        peer.end();
    });
    const error = await failure(daemon.client.store("ann", "c", "x"));
    assert.deepEqual(
        [error.code, error.reason, error.retryable, error.retryAfterMs, error.mayHaveHappened, error.message],
        ["RESOURCE_EXHAUSTED", "LIMIT", true, 250, false, "too many connections"]);
});

test("a daemon's reason is read before a write that fails is judged", async (t) => {
    let peer;
    const daemon = await fakeDaemon(t, async (one) => { answer(peer = one, await one.read()); });
    await daemon.client.get("ann", "c");
    peer.write(frame(Kind.GO_AWAY, 0, {
        third: 7, payload: encode("Failure", { reason: 40, message: "denied: no grant", retryable: false }),
    }));
    peer.destroy();
    const errors = await Promise.all([
        failure(daemon.client.store("ann", "c", "x".repeat(56_000))), failure(daemon.client.get("ann", "c")),
    ]);
    for (const error of errors) {
        assert.deepEqual(
            [error.code, error.reason, error.mayHaveHappened, error.message], ["PERMISSION_DENIED", "DENIED", false, "denied: no grant"]);
    }
    assert.equal(daemon.connections, 1);
});

test("answers that came before a write failed reach their calls", async (t) => {
    let peer, request;
    const daemon = await fakeDaemon(t, async (one, number) => {
        if (number > 1) return serve(one);
        request = await (peer = one).read();
    });
    const first = daemon.client.store("ann", "c", "x");
    while (!request) await sleep(1);
    answer(peer, request);
    peer.destroy();
    const second = daemon.client.get("ann", "c");
    assert.equal((await first).version, "v-2");
    assert.equal((await second).text(), "c");
});

test("a write of which the daemon took nothing is made again", async (t) => {
    let peer;
    const daemon = await fakeDaemon(t, async (one, number) => {
        if (number > 1) return serve(one);
        answer(peer = one, await one.read());
    });
    await daemon.client.get("ann", "c");
    peer.destroy();
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    const [receipt, given] = await Promise.all([
        daemon.client.store("ann", "c", "x"), failure(daemon.client.store("ann", "d", "x", { signal: controller.signal })),
    ]);
    assert.equal(receipt.version, "v-2");
    assert.deepEqual([given.code, given.mayHaveHappened], ["CANCELLED", false]);
    assert.equal(daemon.connections, 2);
});

test("a write to a socket that is closed already is made again", async (t) => {
    const daemon = await fakeDaemon(t);
    await daemon.client.get("ann", "c");
    daemon.client.channel.connection.socket.destroy();
    assert.equal((await daemon.client.store("ann", "c", "x")).version, "v-2");
    assert.equal(daemon.connections, 2);
});

test("when the connection breaks, a read is made again and a write that was sent is not", async (t) => {
    const daemon = await fakeDaemon(t, async (peer, number) => {
        if (number > 1) return serve(peer);
        await peer.read();
        await peer.read();
        peer.destroy();
    });
    const [record, error] = await Promise.all([
        daemon.client.get("ann", "c"), failure(daemon.client.store("ann", "c", "x")),
    ]);
    assert.equal(record.text(), "c");
    assert.deepEqual([error.code, error.mayHaveHappened, error.retryable], ["UNAVAILABLE", true, true]);
    assert.equal(error.message, "the daemon closed the connection; a write may have happened");
});

test("a read that breaks every connection fails", async (t) => {
    const daemon = await fakeDaemon(t, async (peer) => {
        await peer.read();
        peer.destroy();
    });
    const error = await failure(daemon.client.get("ann", "c"));
    assert.equal(error.code, "UNAVAILABLE");
    assert.equal(daemon.connections, 4);
});

test("nobody there: a first call fails at once, a client that had a daemon waits for it", async (t) => {
    const daemon = await fakeDaemon(t);
    await daemon.client.get("ann", "c");
    await daemon.stop();
    const waiting = daemon.client.get("ann", "c");
    await sleep(150);
    await daemon.start();
    assert.equal((await waiting).text(), "c");

    const alone = new Coffer({ socket: `${daemon.path}-none` });
    const started = performance.now();
    const error = await failure(alone.get("ann", "c"));
    assert.ok(performance.now() - started < 500);
    assert.equal(error.message, `cofferd is not running at ${daemon.path}-none; start it, or set COFFER_SOCKET`);
    assert.deepEqual([error.code, error.retryable, error.mayHaveHappened], ["UNAVAILABLE", true, false]);
});

test("the wait for a daemon that is gone ends with the window, and with the call's time", async (t) => {
    const daemon = await fakeDaemon(t, serve, { reconnectWindowMs: 400 });
    await daemon.client.get("ann", "c");
    await daemon.stop();
    const started = performance.now();
    const short = failure(daemon.client.get("ann", "c", { timeoutMs: 100 }));
    const error = await failure(daemon.client.get("ann", "c"));
    const took = performance.now() - started;
    assert.match(error.message, /^cofferd is not running at /);
    assert.ok(took >= 100 && took < 1500, `${took} ms`);
    assert.equal(["UNAVAILABLE", "DEADLINE_EXCEEDED"].includes((await short).code), true);
    // Nobody waits anew once the window is over.
    const again = performance.now();
    await failure(daemon.client.get("ann", "c"));
    assert.ok(performance.now() - again < 200);
});

test("a daemon's socket that is left behind by a dead one counts as nobody", async (t) => {
    const daemon = await fakeDaemon(t);
    await daemon.client.get("ann", "c");
    rmSync(daemon.path);
    assert.equal((await daemon.client.get("ann", "c")).text(), "c");
});

test("closing ends the calls in flight, and later ones fail the same way", async (t) => {
    const daemon = await fakeDaemon(t, async (peer) => { while (await peer.read()); });
    const calls = [failure(daemon.client.get("ann", "c")), failure(daemon.client.store("ann", "c", "x"))];
    await sleep(50);
    await daemon.client.close();
    const [read, write] = await Promise.all(calls);
    assert.deepEqual([read.code, read.mayHaveHappened], ["CANCELLED", false]);
    assert.deepEqual([write.code, write.mayHaveHappened], ["CANCELLED", true]);
    assert.equal((await failure(daemon.client.get("ann", "c"))).code, "CANCELLED");
});

test("twenty thousand calls at once are all answered, over one connection", async (t) => {
    const daemon = await fakeDaemon(t);
    const records = await Promise.all(
        Array.from({ length: 20_000 }, (_, index) => daemon.client.get("ann", `c${index}`, { timeoutMs: 50_000 })));
    records.forEach((record, index) => assert.equal(record.text(), `c${index}`));
    assert.equal(daemon.connections, 1);
});

test("a request over the frame limit is refused and disturbs nobody", async (t) => {
    const daemon = await fakeDaemon(t);
    const labels = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`n${index}`, "v".repeat(16_000)]));
    const calls = await Promise.allSettled([
        daemon.client.get("ann", "before"), daemon.client.store("ann", "c", "x", { labels }), daemon.client.get("ann", "after"),
    ]);
    assert.deepEqual(calls.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
    assert.deepEqual([calls[1].reason.code, calls[1].reason.reason], ["RESOURCE_EXHAUSTED", "FRAME_TOO_LARGE"]);
    assert.deepEqual([calls[0].value.text(), calls[2].value.text()], ["before", "after"]);
});

test("streams: parts come as they arrive, and leaving the loop cancels the call", async (t) => {
    const seen = [];
    const daemon = await fakeDaemon(t, async (peer) => {
        for (let request; (request = await peer.read()) !== undefined;) {
            seen.push(request.kind);
            if (request.kind !== Kind.REQUEST) continue;
            for (let index = 0; index < 3; index++) {
                peer.respond(request.callId, "GetManyResponse", { results: [{ index, status: 5 }] }, 1);
            }
            if (decode("GetManyRequest", request.payload).keys.length === 3) {
                peer.respond(request.callId, "GetManyResponse", { results: [] });
            }
        }
    });
    const keys = (count) => Array.from({ length: count }, () => ({ userId: "u", connectionId: "c" }));
    const indexes = [];
    for await (const { results } of daemon.client.credentials.getMany({ keys: keys(3) })) {
        indexes.push(...results.map(({ index }) => index));
    }
    assert.deepEqual(indexes, [0, 1, 2]);
    for await (const _ of daemon.client.credentials.getMany({ keys: keys(4) })) break;
    while (seen.length < 3) await sleep(1);
    assert.deepEqual(seen, [Kind.REQUEST, Kind.REQUEST, Kind.CANCEL]);
    assert.equal(METHODS.getMany.streamsResponse, true);
});
