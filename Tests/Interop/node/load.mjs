// The Node client under load while its daemon is stopped (go-away), killed and started again: no Get fails, and of each
// Store it is known whether it happened, or reported that it may have. Before that, a daemon that is full turns Stores away.
//
//     node load.mjs BIN [--gets N]
//
// BIN holds cofferd. Prints what was counted and "N passed, N failed"; takes less than two minutes.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Coffer, CofferError } from "../../../clients/node/dist/esm.mjs";

const { positionals: [bin], values } = parseArgs({ allowPositionals: true, options: { gets: { type: "string", default: "50000" } } });
const wanted = Number(values.gets);
const READERS = 48, WRITERS = 12, KEYS = 24;
/** At least so many of each kind of end, however fast the Gets are. */
const ENDS = 6;
/** Stores of clients of their own, against a daemon that is full. */
const TURNED_AWAY = 120;

const folder = mkdtempSync(join(tmpdir(), "coffer-load-"));
const path = join(folder, "s");
const problems = [];
process.on("unhandledRejection", (error) => problems.push(`unhandled rejection: ${error}`));
setTimeout(() => {
    console.log("FAIL it took more than 110 s\n0 passed, 1 failed");
    process.exit(1);
}, 110_000).unref();

let daemon;
async function start(...options) {
    daemon = spawn(join(bin, "cofferd"), ["--socket", path, "--data", join(folder, "data"), ...options], { stdio: "ignore" });
    daemon.ended = new Promise((resolve) => daemon.on("exit", resolve));
    for (let count = 0; !existsSync(path) && count < 2000; count++) await sleep(5);
}

async function restart(signal) {
    daemon.kill(signal);
    await daemon.ended;
    // A killed daemon leaves its socket's file, at which nobody listens.
    if (signal === "SIGKILL") rmSync(path, { force: true });
    await start();
}

/** Its one connection is taken: each Store is told so, whether or not the daemon has left before the Store is sent. */
async function turnAway() {
    const configuration = join(folder, "full.yaml");
    writeFileSync(configuration, "limits: {connections_per_uid: 1}\n");
    await start("--config", configuration);
    const holder = connect(path);
    await new Promise((resolve) => holder.on("connect", resolve));
    for (let count = 0; count < TURNED_AWAY; count++) {
        const client = new Coffer({ socket: path });
        const end = await client.store("load", "turned-away", "x".repeat(count % 2 ? 10 : 56_000)).then(
            () => "stored", ({ code, retryAfterMs, mayHaveHappened }) => `${code} ${retryAfterMs} ${mayHaveHappened}`);
        if (end !== "RESOURCE_EXHAUSTED 1000 false") problems.push(`a Store that was turned away ended with ${end}`);
        await client.close();
        counts.turnedAway++;
    }
    holder.destroy();
    await restart("SIGTERM");
}

const coffer = new Coffer({ socket: path, timeoutMs: 20_000 });
const counts = { gets: 0, failedGets: 0, stores: 0, ambiguous: 0, refused: 0, terminated: 0, killed: 0, turnedAway: 0 };
let isOver = false;

async function read(number) {
    while (!isOver) {
        try {
            const record = await coffer.get("load", `read-${number % KEYS}`);
            if (record.text() !== `value-${number % KEYS}`) problems.push("a Get gave another record");
        } catch (error) {
            counts.failedGets++;
            problems.push(`a Get failed: ${error.code}: ${error.message}`);
        }
        counts.gets++;
    }
}

/** One record and its one writer: what it may hold. */
async function write(number) {
    const name = `write-${number}`;
    let possible = new Set(["0"]);
    await coffer.store("load", name, "0");
    for (let value = 1; !isOver; value++) {
        try {
            await coffer.store("load", name, String(value));
            possible = new Set([String(value)]);
        } catch (error) {
            if (!(error instanceof CofferError)) throw error;
            if (error.mayHaveHappened) {
                counts.ambiguous++;
                possible.add(String(value));
            } else {
                counts.refused++;
            }
        }
        counts.stores++;
    }
    const held = (await coffer.get("load", name, { maxAgeMs: 0 })).text();
    if (!possible.has(held)) problems.push(`${name} holds ${held}, possible are ${[...possible].slice(0, 5)}`);
}

async function disturb() {
    while (counts.gets < wanted || counts.killed < ENDS) {
        await sleep(100 + 150 * Math.random());
        const signal = counts.terminated <= counts.killed ? "SIGTERM" : "SIGKILL";
        await restart(signal);
        counts[signal === "SIGTERM" ? "terminated" : "killed"]++;
    }
    isOver = true;
}

const started = performance.now();
try {
    await turnAway();
    for (let key = 0; key < KEYS; key++) await coffer.store("load", `read-${key}`, `value-${key}`);
    await Promise.all([
        disturb(), ...Array.from({ length: READERS }, (_, number) => read(number)),
        ...Array.from({ length: WRITERS }, (_, number) => write(number)),
    ]);
} catch (error) {
    isOver = true;
    problems.push(String(error?.stack ?? error));
} finally {
    await coffer.close();
    daemon.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
}
for (const problem of problems.slice(0, 20)) console.log(`FAIL ${problem}`);
if (counts.gets < wanted) problems.push("too few Gets");
console.log(`${JSON.stringify(counts)} in ${Math.round(performance.now() - started)} ms`);
console.log(`${counts.gets + counts.stores + counts.turnedAway - problems.length} passed, ${problems.length} failed`);
process.exitCode = problems.length === 0 ? 0 : 1;
