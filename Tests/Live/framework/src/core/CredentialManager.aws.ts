// src/core/CredentialManager.aws.ts
import { SecretsManagerClient, PutSecretValueCommand, GetSecretValueCommand, DeleteSecretCommand } from '@aws-sdk/client-secrets-manager';
import { ConnectorCredentials } from '../types/connector';
import * as crypto from 'crypto';

export class AWSCredentialManager {
  private client: SecretsManagerClient;
  private encryptionKey: Buffer;

  constructor(region: string = 'us-east-1') {
    this.client = new SecretsManagerClient({ region });
    
    // Use encryption key for additional layer of security
    const keyEnv = process.env.CREDENTIAL_ENCRYPTION_KEY;
    if (!keyEnv) {
      throw new Error('CREDENTIAL_ENCRYPTION_KEY must be set');
    }
    this.encryptionKey = crypto.scryptSync(keyEnv, 'salt', 32);
  }

  private encrypt(plaintext: string): string {
    const iv = crypto.randomBytes(16);
    const cipher = crypto.createCipheriv('aes-256-gcm', this.encryptionKey, iv);
    
    let encrypted = cipher.update(plaintext, 'utf8', 'hex');
    encrypted += cipher.final('hex');
    const authTag = cipher.getAuthTag();
    
    return iv.toString('hex') + ':' + authTag.toString('hex') + ':' + encrypted;
  }

  private decrypt(encryptedData: string): string {
    const parts = encryptedData.split(':');
    const iv = Buffer.from(parts[0], 'hex');
    const authTag = Buffer.from(parts[1], 'hex');
    const encrypted = parts[2];
    
    const decipher = crypto.createDecipheriv('aes-256-gcm', this.encryptionKey, iv);
    decipher.setAuthTag(authTag);
    
    let decrypted = decipher.update(encrypted, 'hex', 'utf8');
    decrypted += decipher.final('utf8');
    
    return decrypted;
  }

  private getSecretName(userId: string, connectionId: string): string {
    return `ai2-connectors/${userId}/${connectionId}`;
  }

  async storeCredentials(
    connectionId: string,
    userId: string,
    credentials: ConnectorCredentials
  ): Promise<void> {
    const secretName = this.getSecretName(userId, connectionId);
    const plaintext = JSON.stringify(credentials);
    
    // Double encryption: AWS encrypts at rest + our encryption
    const encrypted = this.encrypt(plaintext);
    
    try {
      // Try to update existing secret
      await this.client.send(new PutSecretValueCommand({
        SecretId: secretName,
        SecretString: encrypted
      }));
    } catch (error: any) {
      if (error.name === 'ResourceNotFoundException') {
        // Create new secret
        await this.client.send(new PutSecretValueCommand({
          Name: secretName,
          SecretString: encrypted,
          Description: `AI2 Connector credentials for user ${userId}, connection ${connectionId}`,
          Tags: [
            { Key: 'Service', Value: 'ai2-connectors' },
            { Key: 'UserId', Value: userId },
            { Key: 'ConnectionId', Value: connectionId }
          ]
        }));
      } else {
        throw error;
      }
    }
  }

  async getCredentials(
    connectionId: string,
    userId: string
  ): Promise<ConnectorCredentials> {
    const secretName = this.getSecretName(userId, connectionId);
    
    try {
      const response = await this.client.send(new GetSecretValueCommand({
        SecretId: secretName
      }));
      
      if (!response.SecretString) {
        throw new Error(`Credentials not found for connection: ${connectionId}`);
      }
      
      // Decrypt our encryption layer
      const decrypted = this.decrypt(response.SecretString);
      return JSON.parse(decrypted) as ConnectorCredentials;
    } catch (error: any) {
      if (error.name === 'ResourceNotFoundException') {
        throw new Error(`Credentials not found for connection: ${connectionId}`);
      }
      throw error;
    }
  }

  async deleteCredentials(connectionId: string, userId: string): Promise<void> {
    const secretName = this.getSecretName(userId, connectionId);
    
    await this.client.send(new DeleteSecretCommand({
      SecretId: secretName,
      ForceDeleteWithoutRecovery: true // Optional: immediate deletion
    }));
  }
}
