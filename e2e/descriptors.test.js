import assert from 'node:assert/strict';
import http from 'node:http';

import WebSocket from 'ws';

import * as binaries from './harness/binaries.js';
import { Program } from './harness/program.js';
import { emptyFolder } from './harness/server.js';
import { scenario } from './harness/setups.js';
import { onEnd } from './harness/teardown.js';
import { Watch } from './harness/wait.js';

/** ask sends a request over a connection of its own. */
function ask(url, method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(new URL(path, url), {
      agent: false, method, headers: { 'Content-Type': 'application/json' },
    }, async (answer) => {
      let text = '';
      for await (const part of answer.setEncoding('utf8')) text += part;
      resolve({ status: answer.statusCode, text });
    });
    request.on('error', reject);
    request.end(body);
  });
}

scenario('sockets beyond the number of descriptors are rejected, and the API continues', async (t) => {
  const program = new Program('/bin/sh', {
    args: ['-c', 'ulimit -n 128; exec "$0"', binaries.lorebridge()],
    cwd: await emptyFolder(t), env: { LISTEN_ADDR: '127.0.0.1:0' },
  });
  onEnd(t, () => program.stop());
  const url = await program.announced(/^Lorebridge is running at (http:\/\/\S+)$/);
  assert.match(program.stderr, /level=WARN .*MAX_SOCKETS .*RLIMIT_NOFILE.* max_sockets=10000 descriptors=128 sockets=39/);
  const signUp = await ask(url, 'POST', '/graphql', JSON.stringify({
    query: 'mutation { signUp(input: {name: "Ada", email: "ada@example.com", password: "correct horse", session: TOKEN}) { token } }',
  }));
  const { token } = JSON.parse(signUp.text).data.signUp;
  const operation = (query) => fetch(new URL('/graphql', url), {
    method: 'POST', headers: { 'Content-Type': 'application/json', 'Authorization': `Bearer ${token}` }, body: JSON.stringify({ query }),
  });
  const { data } = await (await operation('{ realtime { key } }')).json();

  const watch = new Watch();
  const seen = { established: 0, rejected: 0, cut: 0 };
  const sockets = Array.from({ length: 200 }, () => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/app/${data.realtime.key}?protocol=7&client=js&version=8.6.0`);
    const note = (what) => {
      seen[what]++;
      watch.changed();
    };
    socket.on('message', (text) => {
      const { event } = JSON.parse(text);
      if (event === 'pusher:connection_established') note('established');
    });
    socket.on('close', (code) => note(code === 4100 ? 'rejected' : 'cut'));
    socket.on('error', () => {}); // close follows
    return socket;
  });
  const shown = () => JSON.stringify(seen);
  await watch.until(() => seen.established === 39, shown);

  const answers = await Promise.all([
    ...Array.from({ length: 5 }, () => ask(url, 'GET', '/healthz')),
    ...Array.from({ length: 5 }, () => ask(url, 'POST', '/graphql', '{"query":"{ __typename }"}')),
  ]);
  assert.deepEqual(answers.map(({ status }) => status), Array(10).fill(200));
  await watch.until(() => seen.rejected > 0, shown);
  await watch.until(() => seen.established + seen.rejected + seen.cut >= 200, shown); // a socket is one of the three
  assert.equal(seen.established, 39);

  for (const socket of sockets) socket.terminate();
  assert.equal((await ask(url, 'GET', '/readyz')).status, 200);
  assert.doesNotMatch(program.stderr, /too many open files/);
});
