import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { promisify } from 'node:util';

import * as binaries from './harness/binaries.js';
import { openBrowser } from './harness/browser.js';
import { signUpAll } from './harness/person.js';
import { app, startPusher } from './harness/pusher.js';
import { startServer } from './harness/server.js';
import { scenario } from './harness/setups.js';
import { onEnd } from './harness/teardown.js';
import { eventually } from './harness/wait.js';

/** lorebridge runs a command of the binary in the server's folder. */
async function lorebridge(server, ...args) {
  try {
    const { stdout } = await promisify(execFile)(binaries.lorebridge(), args, { cwd: server.folder, timeout: 20_000 });
    return { code: 0, output: stdout };
  } catch (error) {
    return { code: error.code, output: `${error.stdout}${error.stderr}` };
  }
}

/** startFirewall starts a proxy for a Pusher that answers every call with a certain word in it with a page. */
async function startFirewall(t, pusher, word) {
  const firewall = { blocked: 0 };
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      if (body.includes(word)) {
        firewall.blocked += 1;
        response.writeHead(403, { 'Content-Type': 'text/html' }).end('<html><title>Blocked</title></html>');
        return;
      }
      const forward = http.request(`http://${pusher.address}${request.url}`, { method: request.method, headers: request.headers }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      forward.end(body);
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  onEnd(t, () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }));
  firewall.address = `127.0.0.1:${server.address().port}`;
  return firewall;
}

scenario('an event that a firewall blocks waits alone, is listed, tried again and skipped', async (t) => {
  const pusher = await startPusher(t);
  const firewall = await startFirewall(t, pusher, 'alert(1)');
  const server = await startServer(t, {
    ...app, PUSHER_HOST: firewall.address, PUSHER_SCHEME: 'http', PUSHER_PUBLIC_HOST: pusher.address,
  });
  server.expected.push(/level=WARN msg="sending failed; the events of this recipient wait"/, /level=WARN msg="events are left/);
  const [ada, bob, cleo] = await signUpAll(server, 'Ada', 'Bob', 'Cleo');
  const [bobs, cleos] = [await openBrowser(t, bob), await openBrowser(t, cleo)];
  await ada.ask(bob, 'Why does <script>alert(1)</script> not run?');
  await ada.ask(bob, 'And this?');
  await ada.ask(cleo, 'Are you there?');
  await cleos.received(1);

  const health = async () => (await fetch(`${server.url}/healthz`)).json();
  await eventually(async () => (await health()).parked.waiting === 1, '/healthz counts who waits');
  const { output } = await lorebridge(server, 'events');
  const [, event] = output.match(new RegExp(`WAITING +people +${bob.id} +(\\d+) .*HTTP 403 text/html`));
  assert.match(output, /\n1 waiting, 0 refused, 0 skipped\n$/);
  assert.equal(event, (await bob.notifications()).at(-1).id, 'the oldest that waits');
  assert.equal((await stat(path.join(server.folder, 'lorebridge.db.sock'))).mode & 0o777, 0o600);

  for (const recipient of [bob.id, 'all']) {
    const before = firewall.blocked;
    assert.equal((await lorebridge(server, 'events', 'retry', recipient)).code, 0);
    await eventually(() => firewall.blocked > before, 'it is tried again');
  }
  for (const wrong of [['retry', '999'], ['retry', 'Bob'], ['retry'], ['skip', '1', '--why', 'x'], ['skip', event], ['bogus']]) {
    const answer = await lorebridge(server, 'events', ...wrong);
    assert.equal(answer.code, 1, wrong.join(' '));
    assert.match(answer.output, /nothing of that waits|must be|give the reason|unknown arguments/, wrong.join(' '));
  }
  const skip = () => lorebridge(server, 'events', 'skip', event, '--why', 'our firewall does not like it');
  await eventually(async () => (await skip()).code === 0, 'it is skipped, once it is not just being sent');
  assert.deepEqual((await bobs.received(1)).map((e) => e.data.question), ['And this?']);
  assert.equal((await bob.notifications()).length, 2, 'it stays in the notifications');
  await eventually(async () => /^SKIPPED .*our firewall does not like it\n0 waiting, 0 refused, 1 skipped\n$/m
    .test((await lorebridge(server, 'events')).output), 'the list shows why');

  await ada.ask(bob, 'And alert(1) once more?');
  await eventually(async () => (await health()).parked.waiting === 1, 'it waits');
  await server.stop();
  const stopped = await lorebridge(server, 'events');
  const [, second] = stopped.output.match(new RegExp(`WAITING +people +${bob.id} +(\\d+) `));
  assert.match((await lorebridge(server, 'events', 'retry', 'all')).output, /no server runs/);
  assert.equal((await lorebridge(server, 'events', 'skip', second, '--why', 'again')).code, 0);
  await server.start();
  await ada.ask(bob, 'The last?');
  assert.deepEqual((await bobs.received(2)).map((e) => e.data.question), ['And this?', 'The last?']);
  assert.deepEqual((await health()).parked, { waiting: 0, refused: 0, skipped: 2 });
});
