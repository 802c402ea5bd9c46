// What Workers give to a program and Node does not: a KV namespace in the place of its name. This one keeps its keys by the REST
// API, as a binding writes and reads them. CLOUDFLARE_API_BASE_URL, CLOUDFLARE_ACCOUNT_ID and CLOUDFLARE_API_TOKEN say where.

class KVNamespace {
  constructor(base, account, id, token) {
    this.url = `${base}/accounts/${account}/storage/kv/namespaces/${id}`;
    this.headers = { Authorization: `Bearer ${token}` };
  }

  async request(method, key, query = '', body = undefined) {
    for (;;) {
      const response = await fetch(
        `${this.url}/values/${encodeURIComponent(key)}${query}`, { method, headers: this.headers, body });
      if (response.status === 404) return null;
      // A binding waits too: one write a second of a key.
      if (response.status === 429) await new Promise((resolve) => setTimeout(resolve, 1050));
      else if (response.ok) return await response.text();
      else throw new Error(`KV ${method} failed: ${response.status}`);
    }
  }

  async put(key, value, { expirationTtl, metadata } = {}) {
    const form = new FormData();
    form.set('value', value);
    form.set('metadata', JSON.stringify(metadata ?? null));
    await this.request('PUT', key, expirationTtl ? `?expiration_ttl=${expirationTtl}` : '', form);
  }

  async get(key) { return this.request('GET', key); }

  async delete(key) { await this.request('DELETE', key); }
}

const { CLOUDFLARE_API_BASE_URL, CLOUDFLARE_ACCOUNT_ID, CLOUDFLARE_SECRETS_STORE, CLOUDFLARE_API_TOKEN } = process.env;
process.env = {
  ...process.env,
  CLOUDFLARE_SECRETS_STORE:
    new KVNamespace(CLOUDFLARE_API_BASE_URL, CLOUDFLARE_ACCOUNT_ID, CLOUDFLARE_SECRETS_STORE, CLOUDFLARE_API_TOKEN),
};
