// src/core/CredentialManager.vault.ts
import { Vault } from 'node-vault';
import { ConnectorCredentials } from '../types/connector';

export class VaultCredentialManager {
  private vault: Vault;

  constructor(vaultAddress: string, vaultToken: string) {
    this.vault = Vault({
      endpoint: vaultAddress,
      token: vaultToken
    });
  }

  private getSecretPath(userId: string, connectionId: string): string {
    return `secret/data/ai2-connectors/${userId}/${connectionId}`;
  }

  async storeCredentials(
    connectionId: string,
    userId: string,
    credentials: ConnectorCredentials
  ): Promise<void> {
    const path = this.getSecretPath(userId, connectionId);
    
    await this.vault.write(path, {
      data: credentials,
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
    const path = this.getSecretPath(userId, connectionId);
    
    try {
      const response = await this.vault.read(path);
      return response.data.data as ConnectorCredentials;
    } catch (error: any) {
      if (error.response?.statusCode === 404) {
        throw new Error(`Credentials not found for connection: ${connectionId}`);
      }
      throw error;
    }
  }

  async deleteCredentials(connectionId: string, userId: string): Promise<void> {
    const path = this.getSecretPath(userId, connectionId);
    await this.vault.delete(path);
  }
}
