// src/core/CredentialManager.cloudflare.ts
import { ConnectorCredentials } from '../types/connector';

export class CloudflareCredentialManager {
  private secretsStore: KVNamespace; // Bind to Cloudflare Secrets Store KV namespace
  
  constructor(secretsStore: KVNamespace) {
    this.secretsStore = secretsStore;
  }

  async storeCredentials(
    connectionId: string,
    userId: string,
    credentials: ConnectorCredentials
  ): Promise<void> {
    const storageKey = `connectors:${userId}:${connectionId}`;
    
    // Cloudflare KV stores strings, so we JSON stringify
    // Cloudflare KV automatically encrypts at rest
    await this.secretsStore.put(storageKey, JSON.stringify(credentials), {
      expirationTtl: 31536000, // 1 year TTL (optional)
      metadata: {
        userId,
        connectionId,
        createdAt: new Date().toISOString()
      }
    });
  }

  async getCredentials(
    connectionId: string,
    userId: string
  ): Promise<ConnectorCredentials> {
    const storageKey = `connectors:${userId}:${connectionId}`;
    const encrypted = await this.secretsStore.get(storageKey);
    
    if (!encrypted) {
      throw new Error(`Credentials not found for connection: ${connectionId}`);
    }
    
    return JSON.parse(encrypted) as ConnectorCredentials;
  }

  async deleteCredentials(connectionId: string, userId: string): Promise<void> {
    const storageKey = `connectors:${userId}:${connectionId}`;
    await this.secretsStore.delete(storageKey);
  }
}
