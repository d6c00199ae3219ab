import assert from 'node:assert/strict';
import net from 'node:net';

import { send } from './harness/http.js';
import { app } from './harness/pusher.js';
import { signUpAll } from './harness/person.js';
import { startServer } from './harness/server.js';
import { scenario } from './harness/setups.js';
import { eventually } from './harness/wait.js';

const secret = 'TheSecretOfTheQuery';
const queryString = /\?[^\s"]*=/;

/** raw sends bytes that no client would send, and waits until the server closes the connection. */
function raw(server, text) {
  const { hostname, port } = new URL(server.url);
  return new Promise((resolve, reject) => {
    net.connect(port, hostname).on('error', reject).on('close', resolve).on('data', () => {}).end(text);
  });
}

scenario('no line of the log has what stands in a URL behind its question mark, whatever becomes of the request', async (t) => {
  const server = await startServer(t, { LOG_LEVEL: 'DEBUG', CORS_ORIGINS: 'https://app.example' });
  const [ada] = await signUpAll(server, 'Ada');
  const get = (at, headers = {}) => send(server.url + at, { method: 'GET', headers: { ...ada.headers, ...headers } });
  const query = (document) => `/graphql?query=${encodeURIComponent(document)}&token=${secret}`;
  const answers = [
    await get(query(`{ me { name } } # ${secret}`)),
    await get(query(`{ ${secret} }`)),
    await get(query(`mutation { ${secret} }`)),
    await get(query('mutation { signOut { signedOut } }')),
    await get(query('{ node(id: "4294999999") { id } }')),
    await get(query(`{ me { name } } # ${secret}`), { Accept: 'text/event-stream' }),
    await get(query(`{ me { name } } # ${secret}`), { Accept: 'text/html' }),
    await get(query(`{ me { name } } # ${secret}`), { Origin: 'https://evil.example' }),
    await get(query(`{ me { name } } # ${secret}`), { Authorization: `Bearer ${secret}` }),
    await get(`/graphql?query=%zz${secret}`),
    await get(`/graphql?query={me{name}};${secret}=1;b=2`),
    await get(`/graphql?${secret}=${'x'.repeat(49 * 1024)}`),
    await get(`/graphql?${secret}=${'x'.repeat(80 * 1024)}`),
    await get(`/graphql/subscriptions/result?channel=${secret}&seq=1`),
    await get(`/graphql/subscriptions/result?channel=${secret}&seq=${secret}`),
    await get(`/pusher/auth?channel_name=${secret}`),
    await get(`/app/key?protocol=${secret}`),
    await get(`/apps/1/channels?auth_key=${secret}&auth_signature=${secret}`),
    await get(`/library?${secret}=1`),
    await get(`/assets/gone.js?${secret}=1`),
    await get(`/readyz?${secret}=1`),
    await get(`/graphql?${secret}=1`, { Upgrade: 'websocket', Connection: 'Upgrade' }),
    await get(`/graphql?${secret}=1`, { Upgrade: 'websocket', Connection: 'Upgrade', Origin: 'https://evil.example' }),
  ];
  await raw(server, `GET /graphql?${secret}=\u0001 HTTP/1.1\r\nHost: x\r\n\r\n`);
  await raw(server, `GET /graphql?${secret}=1 HTTP/9.1\r\nHost: x\r\n\r\n`);
  await raw(server, `POST /graphql?${secret}=1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`);
  await server.stop();
  assert.deepEqual(answers.slice(0, 4).map(({ status }) => status), [200, 200, 405, 405]);
  const { stderr } = server.program;
  assert.match(stderr, /level=/, 'something is logged');
  assert.equal(stderr.includes(secret), false, stderr);
  assert.doesNotMatch(stderr, queryString);
});

scenario('no line of the log has the signature of a call to Pusher', async (t) => {
  const closed = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => closed.once('listening', resolve));
  const { port } = closed.address();
  await new Promise((resolve) => closed.close(resolve));
  const server = await startServer(t, { LOG_LEVEL: 'DEBUG', ...app, PUSHER_HOST: `127.0.0.1:${port}`, PUSHER_SCHEME: 'http' });
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  await ada.ask(bob, 'Does anybody hear this?');
  const tried = async () => {
    await send(`${server.url}/healthz`, { method: 'GET' });
    return /connection refused/.test(server.program.stderr);
  };
  await eventually(tried, 'the log reports that Pusher cannot be reached');
  await server.stop();
  assert.doesNotMatch(server.program.stderr, /auth_signature|auth_key|body_md5/);
  assert.doesNotMatch(server.program.stderr, queryString);
});
