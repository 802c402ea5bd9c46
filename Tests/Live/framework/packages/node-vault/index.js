// In the place of node-vault, by fetch: a URL of endpoint, /v1/ and the path, the token in a header, and JSON.

exports.Vault = ({ endpoint, token }) => {
  async function request(method, path, json) {
    const response = await fetch(`${endpoint}/v1/${path}`, {
      method,
      headers: {
        'X-Vault-Token': token, 'X-Vault-Request': 'true',
        ...(json === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      body: json === undefined ? undefined : JSON.stringify(json),
    });
    const text = await response.text();
    if (!response.ok) throw Object.assign(new Error(`Status ${response.status}`), { response: { statusCode: response.status } });
    return text ? JSON.parse(text) : undefined;
  }
  return {
    read: (path) => request('GET', path),
    write: (path, data) => request('POST', path, data),
    delete: (path) => request('DELETE', path),
  };
};
