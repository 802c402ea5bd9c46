import { createCredentialManager } from './core/CredentialManager.factory.js';

// Test script
const manager = createCredentialManager();
await manager.storeCredentials('test-conn', 'test-user', { apiKey: 'test' });
const creds = await manager.getCredentials('test-conn', 'test-user');
console.log('Migration test:', creds);
