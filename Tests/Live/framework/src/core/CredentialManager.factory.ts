// src/core/CredentialManager.factory.ts
import { CredentialManager } from './CredentialManager';
import { CloudflareCredentialManager } from './CredentialManager.cloudflare';
import { AWSCredentialManager } from './CredentialManager.aws';
import { VaultCredentialManager } from './CredentialManager.vault';

export function createCredentialManager(): CredentialManager {
  const vaultType = process.env.VAULT_TYPE || 'memory';
  
  switch (vaultType) {
    case 'cloudflare':
      if (!process.env.CLOUDFLARE_SECRETS_STORE) {
        throw new Error('CLOUDFLARE_SECRETS_STORE not configured');
      }
      return new CloudflareCredentialManager(process.env.CLOUDFLARE_SECRETS_STORE);
    
    case 'aws':
      return new AWSCredentialManager(process.env.AWS_REGION || 'us-east-1');
    
    case 'vault':
      if (!process.env.VAULT_ADDR || !process.env.VAULT_TOKEN) {
        throw new Error('VAULT_ADDR and VAULT_TOKEN must be set');
      }
      return new VaultCredentialManager(process.env.VAULT_ADDR, process.env.VAULT_TOKEN);
    
    case 'memory':
    default:
      // Fallback to in-memory (development only)
      if (process.env.NODE_ENV === 'production') {
        throw new Error('Memory vault not allowed in production. Set VAULT_TYPE.');
      }
      return new CredentialManager();
  }
}
