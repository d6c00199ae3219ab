import assert from 'node:assert/strict';

import { openBrowser } from './harness/browser.js';
import { signUpAll } from './harness/person.js';
import { app, startPusher } from './harness/pusher.js';
import { startServer } from './harness/server.js';
import { scenario } from './harness/setups.js';
import { eventually } from './harness/wait.js';

scenario('while Pusher rejects the credentials events wait, /readyz reports it, and no secret is shown', async (t) => {
  const pusher = await startPusher(t);
  const server = await startServer(t, { ...app, PUSHER_HOST: pusher.address, PUSHER_SCHEME: 'http' });
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const bobs = await openBrowser(t, bob);
  const ready = async () => {
    const answer = await fetch(`${server.url}/readyz`);
    return { status: answer.status, ...await answer.json() };
  };
  assert.equal((await ready()).status, 200);
  await server.stop();

  server.expected.push(/level=ERROR msg="sending failed; the events of this recipient wait" .*PUSHER_SECRET/);
  await server.start({ PUSHER_SECRET: 'another-secret' });
  await ada.ask(bob, 'Will this wait?');
  const problem = await eventually(async () => {
    const { status, problems } = await ready();
    return status === 503 && problems;
  }, '/readyz reports that something is wrong');
  assert.equal(problem.length, 1);
  assert.match(problem[0], /PUSHER_SECRET/);
  assert.ok((await ada.ask(bob, 'And this?')).knowledgeRequest.id, 'mutations go on');
  assert.equal((await bob.notifications()).length, 2);
  await server.stop();
  assert.match(server.program.stderr, server.expected[0]);
  assert.doesNotMatch(server.program.stderr, /another-secret|auth_signature|auth_key/);

  assert.equal(bobs.events.length, 0);
  await server.start();
  assert.deepEqual((await bobs.received(2)).map((e) => e.data.question), ['Will this wait?', 'And this?']);
  assert.equal((await ready()).status, 200);
});
