// The format that the TypeScript code keeps credentials in, by node's own
// crypto and without a line of Coffer's: iv:tag:ciphertext in hex.
//
//   node legacy.mjs seal <plaintext     the text that the vault keeps
//   node legacy.mjs open <text          what is in it; exit code 1 if it does not open
//
// The passphrase is $CREDENTIAL_ENCRYPTION_KEY.

import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { readFileSync } from 'node:fs';

const key = scryptSync(process.env.CREDENTIAL_ENCRYPTION_KEY, 'salt', 32);

function seal(plaintext) {
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  let encrypted = cipher.update(plaintext, 'utf8', 'hex');
  encrypted += cipher.final('hex');
  return iv.toString('hex') + ':' + cipher.getAuthTag().toString('hex') + ':' + encrypted;
}

function open(text) {
  const parts = text.split(':');
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(parts[0], 'hex'));
  decipher.setAuthTag(Buffer.from(parts[1], 'hex'));
  let decrypted = decipher.update(parts[2], 'hex', 'utf8');
  decrypted += decipher.final('utf8');
  return decrypted;
}

const commands = { seal, open };
process.stdout.write(commands[process.argv[2]](readFileSync(0, 'utf8')));
