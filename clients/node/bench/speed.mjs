// Cached Gets of the client beside bare loops that send the same prepared frames to the same daemon and only count the answers:
// one that writes a frame for each answer, and one that joins as many frames into one write as answers have come at once, which
// is the limit: then nothing is left of a call but its share of two system calls. Rounds take turns; a figure is the median of
// the rounds' ratios.
//
//     node clients/node/bench/speed.mjs BIN [--rounds N] [--seconds S]
//
// BIN holds cofferd. Exit status 1 if the ratio to the first loop is under 0.75.

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
    allowPositionals: true, options: { rounds: { type: "string", default: "21" }, seconds: { type: "string", default: "0.25" } },
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

/** Gets in a second, sent without a client: as many in flight as there are frames. `joined`: in one piece. */
function bare(path, depth, joined) {
    const all = preparedFrames(depth);
    const size = all.length / depth;
    return new Promise((resolve, reject) => {
        const started = performance.now();
        let count = 0, missing = 0, rest = Buffer.alloc(0);
        const socket = connect({ path });
        const send = (answers) => {
            if (joined) return void socket.write(all.subarray(0, answers * size));
            for (let index = 0; index < answers; index++) socket.write(all.subarray(index * size, (index + 1) * size));
        };
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
            if (now - started < milliseconds) return void (answers > 0 && send(answers));
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
        const ratios = [], limits = [], rates = [];
        for (let round = -1; round < rounds; round++) {
            const plain = await bare(path, depth, false);
            const rate = await ofClient(coffer, depth);
            const limit = await bare(path, depth, true);
            // The first one only warms up.
            if (round < 0) continue;
            ratios.push(rate / plain);
            limits.push(rate / limit);
            rates.push(rate);
        }
        const ratio = median(ratios);
        isSlow ||= ratio < GOAL;
        console.log(`${depth} in flight: ${Math.round(median(rates))} Gets a second, ${ratio.toFixed(2)} of a bare loop ` +
            `(goal ${GOAL}), ${median(limits).toFixed(2)} of one that joins its frames; ` +
            `rounds: ${ratios.map((one) => one.toFixed(2)).join(" ")}`);
    }
    await coffer.close();
} finally {
    daemon.kill();
    rmSync(folder, { recursive: true, force: true });
}
process.exitCode = isSlow ? 1 : 0;
