import { createCredentialManager } from './core/CredentialManager.factory.js';

// node commands.mjs <commands     one JSON array for each line; the answers as JSON, one for each line
//
//   ["store", user, connection, credentials]    ["get", user, connection]    ["delete", user, connection]

import { createInterface } from 'node:readline';

const manager = createCredentialManager();
for await (const line of createInterface({ input: process.stdin })) {
  const [command, user, connection, credentials] = JSON.parse(line);
  try {
    if (command === 'store') await manager.storeCredentials(connection, user, credentials);
    if (command === 'delete') await manager.deleteCredentials(connection, user);
    const value = command === 'get' ? await manager.getCredentials(connection, user) : null;
    console.log(JSON.stringify({ value }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.message }));
  }
}
