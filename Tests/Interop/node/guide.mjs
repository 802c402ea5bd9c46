// A program of the connectors' framework with one import changed, in front of a daemon with an empty vault.
//
//     node guide.mjs SOCKET

import assert from "node:assert/strict";
import { createCredentialManager } from "../../../clients/node/dist/esm.mjs";

process.env.COFFER_SOCKET = process.argv[2];
let passed = 0, failed = 0;

async function check(name, body) {
    try {
        await body();
        passed++;
    } catch (error) {
        failed++;
        console.log(`${name}: ${error.message}`);
    }
}

await check("the framework's test of a migration", async () => {
    // Test script
    const manager = createCredentialManager();
    await manager.storeCredentials('test-conn', 'test-user', { apiKey: 'test' });
    const creds = await manager.getCredentials('test-conn', 'test-user');
    console.log('Migration test:', creds);
    assert.deepEqual(creds, { apiKey: "test" });
});

await check("credentials of other kinds come back as they were", async () => {
    const manager = createCredentialManager();
    const all = [{}, { text: "a \"quoted\" ü ☃ 🗝", list: [1, 2.5, true, null, ""] }, { certificate: "0123456789abcdef".repeat(1500) }];
    for (const credentials of all) {
        await manager.storeCredentials("conn", "user", credentials);
        assert.deepEqual(await manager.getCredentials("conn", "user"), credentials);
    }
});

await check("what is deleted, or another user's, is not found, in the framework's words", async () => {
    const manager = createCredentialManager();
    await manager.deleteCredentials("conn", "user");
    await manager.deleteCredentials("conn", "user");
    for (const [connection, user] of [["conn", "user"], ["test-conn", "another"], ["test-user", "test-conn"]]) {
        await assert.rejects(
            manager.getCredentials(connection, user),
            (error) => error instanceof Error && error.message === `Credentials not found for connection: ${connection}`);
    }
});

await check("a daemon that is away is no missing credential", async () => {
    process.env.COFFER_SOCKET = "/nowhere/coffer.sock";
    await assert.rejects(createCredentialManager().getCredentials("test-conn", "test-user"), {
        message: "cofferd is not running at /nowhere/coffer.sock; start it, or set COFFER_SOCKET",
    });
});

console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
