import http from 'node:http';

/** send makes one request with exactly these headers. fetch would add some and forbid others. */
export function send(url, { method = 'POST', headers = {}, body = '' } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers, agent: false }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk)).on('error', reject).on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const json = () => JSON.parse(text);
        resolve({ status: response.statusCode, headers: response.headers, text, json });
      });
    });
    request.once('error', reject).end(body);
  });
}

/** graphql sends an operation as any program could. */
export function graphql(server, query, { variables, headers } = {}) {
  return send(`${server.url}/graphql`, {
    headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify({ query, variables }),
  });
}

/** sessionCookie returns the name of the server's session cookie, which signing out clears even without a session. */
export async function sessionCookie(server) {
  const { headers } = await graphql(server, 'mutation { signOut { signedOut } }');
  return headers['set-cookie'][0].split('=')[0];
}
