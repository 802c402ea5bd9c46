// The guide's program with one import changed: @coffer/client in the place of the guide's own class and factory.
//
//   node guide-coffer.mjs <commands     as guide-vault.mjs and guide-aws.mjs
//
// Its variables are those that the guide's factory looks at, COFFER_SOCKET, and COFFER_CLIENT: where the package was built.

import { createInterface } from 'node:readline';

const { createCredentialManager } = await import(process.env.COFFER_CLIENT);

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
