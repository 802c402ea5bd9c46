// The guide's AWSCredentialManager, with fetch and node's own crypto in the place of
// the AWS SDK, and without a line of Coffer's. Two things are not as the guide has
// them: a secret that is missing is made by CreateSecret, for PutSecretValue makes
// none; and names that Secrets Manager refuses are refused here, as emulators take them.
//
//   node guide-aws.mjs <commands     as guide-vault.mjs
//
// AWS_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, CREDENTIAL_ENCRYPTION_KEY.

import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, randomUUID, scryptSync } from 'node:crypto';
import { createInterface } from 'node:readline';

class SecretsManagerClient {
  constructor(endpoint, region, keyId, secretKey) {
    Object.assign(this, { endpoint, region, keyId, secretKey });
  }

  async send(operation, input) {
    const name = input.Name ?? input.SecretId;
    if (!/^[A-Za-z0-9/_+=.@-]{1,512}$/.test(name)) throw named('ValidationException');
    const body = JSON.stringify(input);
    const response = await fetch(this.endpoint, { method: 'POST', body, headers: this.sign(operation, body) });
    const answer = JSON.parse(await response.text());
    if (!response.ok) throw named((answer.__type ?? 'Unknown').split('#').pop().split(':')[0]);
    return answer;
  }

  // Signature Version 4.
  sign(operation, body) {
    const now = new Date().toISOString().replace(/[:-]|\.\d{3}/g, '');
    const headers = {
      'content-type': 'application/x-amz-json-1.1', host: new URL(this.endpoint).host, 'x-amz-date': now,
      'x-amz-target': `secretsmanager.${operation}`,
    };
    const sha = (text) => createHash('sha256').update(text, 'utf8').digest('hex');
    const hmac = (key, text) => createHmac('sha256', key).update(text, 'utf8').digest();
    const list = Object.keys(headers).sort();
    const canonical = ['POST', '/', '', ...list.map((name) => `${name}:${headers[name]}`), '', list.join(';'), sha(body)];
    const scope = `${now.slice(0, 8)}/${this.region}/secretsmanager/aws4_request`;
    const key = scope.split('/').reduce((key, part) => hmac(key, part), `AWS4${this.secretKey}`);
    const signature = hmac(key, ['AWS4-HMAC-SHA256', now, scope, sha(canonical.join('\n'))].join('\n')).toString('hex');
    const { host, ...sent } = headers;
    return {
      ...sent,
      authorization: `AWS4-HMAC-SHA256 Credential=${this.keyId}/${scope}, SignedHeaders=${list.join(';')}, Signature=${signature}`,
    };
  }
}

function named(name) {
  const error = new Error(name);
  error.name = name;
  return error;
}

class AWSCredentialManager {
  constructor(client) {
    this.client = client;
    this.encryptionKey = scryptSync(process.env.CREDENTIAL_ENCRYPTION_KEY, 'salt', 32);
  }

  encrypt(plaintext) {
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-256-gcm', this.encryptionKey, iv);
    let encrypted = cipher.update(plaintext, 'utf8', 'hex');
    encrypted += cipher.final('hex');
    return iv.toString('hex') + ':' + cipher.getAuthTag().toString('hex') + ':' + encrypted;
  }

  decrypt(encryptedData) {
    const parts = encryptedData.split(':');
    const decipher = createDecipheriv('aes-256-gcm', this.encryptionKey, Buffer.from(parts[0], 'hex'));
    decipher.setAuthTag(Buffer.from(parts[1], 'hex'));
    return decipher.update(parts[2], 'hex', 'utf8') + decipher.final('utf8');
  }

  getSecretName(userId, connectionId) {
    return `ai2-connectors/${userId}/${connectionId}`;
  }

  async storeCredentials(connectionId, userId, credentials) {
    const secretName = this.getSecretName(userId, connectionId);
    const value = { ClientRequestToken: randomUUID(), SecretString: this.encrypt(JSON.stringify(credentials)) };
    try {
      await this.client.send('PutSecretValue', { SecretId: secretName, ...value });
    } catch (error) {
      if (error.name !== 'ResourceNotFoundException') throw error;
      await this.client.send('CreateSecret', {
        Name: secretName, ...value,
        Description: `AI2 Connector credentials for user ${userId}, connection ${connectionId}`,
        Tags: [
          { Key: 'Service', Value: 'ai2-connectors' }, { Key: 'UserId', Value: userId },
          { Key: 'ConnectionId', Value: connectionId },
        ],
      });
    }
  }

  async getCredentials(connectionId, userId) {
    try {
      const response = await this.client.send('GetSecretValue', { SecretId: this.getSecretName(userId, connectionId) });
      return JSON.parse(this.decrypt(response.SecretString));
    } catch (error) {
      if (error.name === 'ResourceNotFoundException') {
        throw new Error(`Credentials not found for connection: ${connectionId}`);
      }
      throw error;
    }
  }

  async deleteCredentials(connectionId, userId) {
    await this.client.send('DeleteSecret', {
      SecretId: this.getSecretName(userId, connectionId), ForceDeleteWithoutRecovery: true,
    });
  }
}

const { AWS_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
const manager = new AWSCredentialManager(
  new SecretsManagerClient(AWS_ENDPOINT, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY));
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
