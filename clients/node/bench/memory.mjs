// Whether memory grows: cached Gets, 20 in flight, and the resident size after each tenth of them.
//
//     node clients/node/bench/memory.mjs BIN [--gets N] [--limit SECONDS]
//
// BIN holds cofferd. N is 10 million. Exit status 1 if the last half is over the first half by more than 8 MiB, or if all of it
// takes more than SECONDS, which is 3,600.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { Coffer } from "../dist/esm.mjs";

const ALLOWED = 8 << 20;
const { positionals: [bin], values } = parseArgs({
    allowPositionals: true,
    options: { gets: { type: "string", default: "10000000" }, limit: { type: "string", default: "3600" } },
});
let isLate = false;
setTimeout(() => { isLate = true; }, 1000 * Number(values.limit)).unref();
const tenth = Math.ceil(Number(values.gets) / 10);
const folder = mkdtempSync(join(tmpdir(), "coffer-memory-"));
const path = join(folder, "s");
const daemon = spawn(join(bin, "cofferd"), ["--socket", path, "--data", join(folder, "data")], { stdio: "ignore" });
try {
    for (let count = 0; !existsSync(path) && count < 1000; count++) await sleep(10);
    const coffer = new Coffer({ socket: path });
    await coffer.store("ann", "github", "x".repeat(256));
    const sizes = [];
    for (let part = 0; part < 10; part++) {
        let left = tenth;
        await Promise.all(Array.from({ length: 20 }, async () => {
            while (left-- > 0 && !isLate) await coffer.get("ann", "github");
        }));
        if (isLate) throw new Error(`${10 * tenth} Gets took more than ${values.limit} s`);
        sizes.push(process.memoryUsage().rss);
    }
    await coffer.close();
    // The engine takes what it likes for young objects at first: the first part does not count.
    const growth = Math.max(...sizes.slice(5)) - Math.max(...sizes.slice(1, 5));
    console.log(`${10 * tenth} Gets; resident MiB: ${sizes.map((size) => (size / 2 ** 20).toFixed(1)).join(" ")}`);
    process.exitCode = growth > ALLOWED ? 1 : 0;
} finally {
    daemon.kill();
    rmSync(folder, { recursive: true, force: true });
}
