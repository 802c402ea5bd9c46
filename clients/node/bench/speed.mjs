// Cached Gets of the client beside a bare loop that sends the same prepared frames to the same daemon and only counts the
// answers. Rounds of both take turns; the figure is the median of the rounds' ratios.
//
//     node clients/node/bench/speed.mjs BIN [--rounds N] [--seconds S]
//
// BIN holds cofferd. Exit status 1 if a ratio is under 0.75.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { Coffer } from "../dist/esm.mjs";
import frames from "../dist/wire/frame.js";
import { Writer } from "../dist/wire/writer.js";
import { CredentialsMethods } from "../dist/generated/credentials.js";

const GOAL = 0.75;
const { positionals: [bin], values } = parseArgs({
    allowPositionals: true, options: { rounds: { type: "string", default: "7" }, seconds: { type: "string", default: "0.7" } },
});
const rounds = Number(values.rounds), milliseconds = 1000 * Number(values.seconds);

async function startDaemon(folder) {
    const path = join(folder, "s");
    const daemon = spawn(join(bin, "cofferd"), ["--socket", path, "--data", join(folder, "data")], { stdio: "ignore" });
    for (let count = 0; !existsSync(path) && count < 1000; count++) await sleep(10);
    return { path, daemon };
}

function preparedFrames(count) {
    const writer = new Writer(Buffer.alloc(4096));
    for (let id = 1; id <= count; id++) {
        const start = writer.at;
        writer.reserve(frames.HEADER_BYTES);
        writer.at += frames.HEADER_BYTES;
        CredentialsMethods.get.encode({ userId: "ann", connectionId: "github" }, writer);
        frames.putHeader(
            writer.memory, start, writer.at - start, frames.Kind.REQUEST, id, CredentialsMethods.get.id, 10_000);
    }
    return writer.memory.subarray(0, writer.at);
}

/** Gets in a second, sent without a client: as many in flight as there are frames. */
function bare(path, depth) {
    const all = preparedFrames(depth);
    const size = all.length / depth;
    return new Promise((resolve, reject) => {
        const started = performance.now();
        let count = 0, missing = 0, rest = Buffer.alloc(0);
        const socket = connect({ path });
        socket.on("error", reject);
        socket.on("connect", () => socket.write(all));
        socket.on("data", (chunk) => {
            const data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
            let at = 0, answers = 0;
            while (data.length - at >= 4) {
                const end = at + 4 + data.readUInt32BE(at);
                if (end > data.length) break;
                at = end;
                answers++;
            }
            rest = data.subarray(at);
            count += answers;
            const now = performance.now();
            if (now - started < milliseconds) return void (answers > 0 && socket.write(all.subarray(0, answers * size)));
            missing += answers;
            if (missing < depth) return;
            socket.destroy();
            resolve(count / (now - started) * 1000);
        });
    });
}

/** Gets in a second by the client: so many loops that wait for their answers. */
async function ofClient(coffer, depth) {
    const started = performance.now();
    let count = 0;
    await Promise.all(Array.from({ length: depth }, async () => {
        while (performance.now() - started < milliseconds) {
            await coffer.get("ann", "github");
            count++;
        }
    }));
    return count / (performance.now() - started) * 1000;
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

const folder = mkdtempSync(join(tmpdir(), "coffer-speed-"));
const { path, daemon } = await startDaemon(folder);
let isSlow = false;
try {
    const coffer = new Coffer({ socket: path });
    await coffer.store("ann", "github", "x".repeat(256));
    for (const depth of [1, 20]) {
        const ratios = [], rates = [];
        await bare(path, depth);
        await ofClient(coffer, depth);
        for (let round = 0; round < rounds; round++) {
            const limit = await bare(path, depth);
            const rate = await ofClient(coffer, depth);
            ratios.push(rate / limit);
            rates.push(rate);
        }
        const ratio = median(ratios);
        isSlow ||= ratio < GOAL;
        console.log(`${depth} in flight: ${Math.round(median(rates))} Gets a second, ${ratio.toFixed(2)} of a bare loop ` +
            `(rounds: ${ratios.map((one) => one.toFixed(2)).join(" ")}; goal ${GOAL})`);
    }
    await coffer.close();
} finally {
    daemon.kill();
    rmSync(folder, { recursive: true, force: true });
}
process.exitCode = isSlow ? 1 : 0;
