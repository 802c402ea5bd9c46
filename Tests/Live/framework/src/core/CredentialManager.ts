import { ConnectorCredentials } from '../types/connector';

/** What the framework has without a vault. */
export class CredentialManager {
  async storeCredentials(connectionId: string, userId: string, credentials: ConnectorCredentials): Promise<void> {
    kept.set(JSON.stringify([userId, connectionId]), JSON.stringify(credentials));
  }

  async getCredentials(connectionId: string, userId: string): Promise<ConnectorCredentials> {
    const text = kept.get(JSON.stringify([userId, connectionId]));
    if (text === undefined) throw new Error(`Credentials not found for connection: ${connectionId}`);
    return JSON.parse(text) as ConnectorCredentials;
  }

  async deleteCredentials(connectionId: string, userId: string): Promise<void> {
    kept.delete(JSON.stringify([userId, connectionId]));
  }
}

const kept = new Map<string, string>();
