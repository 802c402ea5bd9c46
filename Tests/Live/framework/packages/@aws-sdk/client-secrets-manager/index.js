// In the place of the AWS SDK, by fetch and node's own crypto. Two things are not as the SDK has them: names that Secrets
// Manager refuses are refused here, for emulators take them; and PutSecretValue with a name makes the secret, as the
// framework means it, which is CreateSecret.

const { createHash, createHmac, randomUUID } = require('crypto');

class Command {
  constructor(operation, input) {
    Object.assign(this, { operation, input });
  }
}

exports.GetSecretValueCommand = class extends Command {
  constructor(input) {
    super('GetSecretValue', input);
  }
};

exports.PutSecretValueCommand = class extends Command {
  constructor(input) {
    super('Name' in input ? 'CreateSecret' : 'PutSecretValue', { ClientRequestToken: randomUUID(), ...input });
  }
};

exports.DeleteSecretCommand = class extends Command {
  constructor(input) {
    super('DeleteSecret', input);
  }
};

exports.SecretsManagerClient = class {
  constructor({ region }) {
    const { AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
    Object.assign(this, { region, endpoint: AWS_ENDPOINT_URL, keyId: AWS_ACCESS_KEY_ID, secretKey: AWS_SECRET_ACCESS_KEY });
  }

  async send({ operation, input }) {
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
};

function named(name) {
  return Object.assign(new Error(name), { name });
}
