// The guide's VaultCredentialManager, with fetch in the place of node-vault, and
// without a line of Coffer's: what node-vault sends is a URL of endpoint, /v1/ and
// the path, the token in a header, and JSON.
//
//   node guide-vault.mjs <commands     one JSON array for each line; the answers as JSON, one for each line
//
//   ["store", user, connection, credentials]    ["get", user, connection]    ["delete", user, connection]
//
// VAULT_ADDR and VAULT_TOKEN as in the guide; the certificate by NODE_EXTRA_CA_CERTS.

import { createInterface } from 'node:readline';

class VaultCredentialManager {
  constructor(endpoint, token) {
    this.endpoint = endpoint;
    this.token = token;
  }

  getSecretPath(userId, connectionId) {
    return `secret/data/ai2-connectors/${userId}/${connectionId}`;
  }

  async request(method, path, json) {
    const response = await fetch(`${this.endpoint}/v1/${path}`, {
      method,
      headers: {
        'X-Vault-Token': this.token, 'X-Vault-Request': 'true',
        ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      body: json === undefined ? undefined : JSON.stringify(json),
    });
    const text = await response.text();
    if (!response.ok) {
      const error = new Error(`Status ${response.status}`);
      error.response = { statusCode: response.status };
      throw error;
    }
    return text ? JSON.parse(text) : undefined;
  }

  async storeCredentials(connectionId, userId, credentials) {
    await this.request('POST', this.getSecretPath(userId, connectionId), {
      data: credentials,
      metadata: { userId, connectionId, createdAt: new Date().toISOString() },
    });
  }

  async getCredentials(connectionId, userId) {
    try {
      const response = await this.request('GET', this.getSecretPath(userId, connectionId));
      return response.data.data;
    } catch (error) {
      if (error.response?.statusCode === 404) {
        throw new Error(`Credentials not found for connection: ${connectionId}`);
      }
      throw error;
    }
  }

  async deleteCredentials(connectionId, userId) {
    await this.request('DELETE', this.getSecretPath(userId, connectionId));
  }
}

const manager = new VaultCredentialManager(process.env.VAULT_ADDR, process.env.VAULT_TOKEN);
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
