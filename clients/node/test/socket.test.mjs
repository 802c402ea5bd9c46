// Where the daemon is looked for, and whom the client trusts there.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Coffer } from "../dist/esm.mjs";
import { Reconnector } from "../dist/reconnector.js";
import { fakeDaemon } from "./support/fake-daemon.mjs";

const isRoot = process.geteuid() === 0;
const rootOnly = { skip: isRoot ? false : "acts for other users, which takes root" };
const uid = process.geteuid();

async function failure(options) {
    const coffer = new Coffer(options);
    const error = await coffer.get("ann", "c").then(() => assert.fail("the call succeeded"), (error) => error);
    await coffer.close();
    return `${error.code}: ${error.message}`;
}

function folderFor(t) {
    const folder = mkdtempSync(join(tmpdir(), "coffer-node-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
}

test("the rule of PROTOCOL.md finds the path in each environment", () => {
    const found = (variables) => execFileSync(process.execPath, ["-p", "require('./dist/index.js').defaultSocketPath()"], {
        cwd: new URL("..", import.meta.url), env: { PATH: process.env.PATH, ...variables }, encoding: "utf8",
    }).trim();
    const rest = found({});
    assert.equal(found({ COFFER_SOCKET: "/a/s", XDG_RUNTIME_DIR: "/x" }), "/a/s");
    assert.equal(found({ COFFER_SOCKET: "", XDG_RUNTIME_DIR: "/x" }), "/x/coffer/coffer.sock");
    assert.equal(found({ XDG_RUNTIME_DIR: "relative" }), rest);
    if (isRoot) assert.equal(rest, "/run/coffer/coffer.sock");
    else assert.match(rest, new RegExp(`^(/run/user/${uid}/coffer|/tmp/coffer-${uid})/coffer.sock$`));
});

test("what is no socket of a daemon is said to be none", async (t) => {
    const folder = folderFor(t);
    const file = join(folder, "file");
    writeFileSync(file, "");
    assert.equal(
        await failure({ socket: file }), `FAILED_PRECONDITION: ${file} is not a socket of cofferd; move it away, or set COFFER_SOCKET`);
    const none = `${file}/below`;
    assert.equal(await failure({ socket: none }), `UNAVAILABLE: cofferd is not running at ${none}; start it, or set COFFER_SOCKET`);
    const long = `/${"x".repeat(107)}`;
    assert.equal(await failure({ socket: long }),
        "INVALID_ARGUMENT: the path of the socket has 108 bytes, expected 1 to 107; set COFFER_SOCKET to another one");
    assert.match(await failure({ socket: "" }), /^INVALID_ARGUMENT: the path of the socket has 0 bytes/);
});

test("a dead daemon's socket is nobody", async (t) => {
    const path = join(folderFor(t), "s");
    // Ended in a way that leaves the file.
    const program = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))";
    assert.equal(spawnSync(process.execPath, ["-e", program, path], { timeout: 10_000 }).signal, "SIGKILL");
    assert.ok(lstatSync(path).isSocket());
    assert.equal(await failure({ socket: path }), `UNAVAILABLE: cofferd is not running at ${path}; start it, or set COFFER_SOCKET`);
});

test("a socket of another user is refused, unless that uid is trusted", rootOnly, async (t) => {
    const daemon = await fakeDaemon(t);
    chownSync(daemon.path, 54324, 54324);
    assert.equal(
        await failure({ socket: daemon.path }),
        `FAILED_PRECONDITION: the socket ${daemon.path} belongs to uid 54324, expected 0 (root); if that uid is trusted with ` +
        "credentials, set COFFER_SERVER_UID=54324");
    assert.equal(daemon.connections, 0, "nothing was sent, and nobody connected");
    assert.match(await failure({ socket: daemon.path, serverUid: 7 }), /expected 0 \(root\) or 7 \(serverUid\)/);
    const trusting = new Coffer({ socket: daemon.path, serverUid: 54324 });
    assert.equal((await trusting.get("ann", "c")).text(), "c");
    await trusting.close();
});

test("a link is followed, and what it leads to is judged", rootOnly, async (t) => {
    const daemon = await fakeDaemon(t);
    const link = join(folderFor(t), "link");
    symlinkSync(daemon.path, link);
    const coffer = new Coffer({ socket: link });
    assert.equal((await coffer.get("ann", "c")).text(), "c");
    await coffer.close();
    chownSync(daemon.path, 54324, 54324);
    assert.match(await failure({ socket: link }), /^FAILED_PRECONDITION: the socket .* belongs to uid 54324/);
});

test("COFFER_SERVER_UID must be the number of a uid", async (t) => {
    const daemon = await fakeDaemon(t);
    t.after(() => { delete process.env.COFFER_SERVER_UID; });
    for (const text of ["nobody", "-1", "4294967295", "1.5", " 7"]) {
        process.env.COFFER_SERVER_UID = text;
        assert.equal(
            await failure({ socket: daemon.path }),
            `INVALID_ARGUMENT: COFFER_SERVER_UID: expected the number of a uid, got ${text.length} bytes that are none; correct or unset it`);
    }
    process.env.COFFER_SERVER_UID = "7";
    const coffer = new Coffer({ socket: daemon.path });
    await coffer.get("ann", "c");
    await coffer.close();
});

test("the folder in /tmp must be nobody else's", async (t) => {
    const folder = `/tmp/coffer-${uid}`;
    const path = `${folder}/coffer.sock`;
    rmSync(folder, { recursive: true, force: true });
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const refused = `FAILED_PRECONDITION: ${folder} must be a folder of uid ${uid} with mode 0700, not a link; remove it, or set COFFER_SOCKET`;
    mkdirSync(folder);
    chmodSync(folder, 0o750);
    assert.equal(await failure({ socket: path }), refused);
    chmodSync(folder, 0o700);
    assert.match(await failure({ socket: path }), /^UNAVAILABLE: cofferd is not running/);
    rmSync(folder, { recursive: true });
    symlinkSync("/tmp", folder);
    assert.equal(await failure({ socket: path }), refused);
});

test("waits grow with each failure, end with the window, and start over after a success", () => {
    const reconnector = new Reconnector(2000);
    const waits = (count, now = 100) => Array.from({ length: count }, () => reconnector.failed("absent", now, 0, 0.5));
    assert.deepEqual(waits(9), [5, 10, 20, 40, 80, 160, 320, 500, 500]);
    reconnector.succeeded();
    assert.deepEqual(waits(2), [5, 10]);
    assert.equal(reconnector.failed("absent", 2000, 0, 0.5), undefined);
    assert.deepEqual(waits(1), [5]);
    assert.equal(reconnector.failed("absent", 100, undefined, 0.5), undefined, "there never was a daemon");
    assert.equal(reconnector.failed("hopeless", 100, 0, 0.5), undefined);
    assert.equal(reconnector.failed("busy", 1e9, undefined, 0.5), 5, "a full backlog is waited for");
});
