import assert from 'node:assert/strict';

import { CombinedGraphQLErrors } from '@apollo/client';

import { openBrowser } from './harness/browser.js';
import { startGated } from './harness/gated.js';
import { signUpAll } from './harness/person.js';
import { app, startPusher } from './harness/pusher.js';
import { startServer } from './harness/server.js';
import { inBothSetups, scenario } from './harness/setups.js';

inBothSetups('SIGTERM delivers what has been committed, and ends with 0', async (t, start) => {
  const server = await start(t);
  const [bob, ...askers] = await signUpAll(server, 'Bob', 'Ada', 'Eve', 'Kim');
  const bobs = await openBrowser(t, bob);

  // Mutations are in progress at the signal. Each is either answered, and then its event arrives, or it never took
  // place.
  const answered = [];
  const asking = Promise.allSettled(askers.map(async (asker) => {
    for (let i = 0; ; i += 1) answered.push(Number((await asker.ask(bob, `question ${i}`)).knowledgeRequest.id));
  }));
  await bobs.received(20);
  await server.stop();
  for (const { reason } of await asking) assert.ok(!CombinedGraphQLErrors.is(reason), `${reason}`);

  await bobs.until(() => bobs.events.length >= answered.length, `${answered.length} events arrive`);
  const received = bobs.events.map((e) => e.data.requestId);
  assert.deepEqual(answered.filter((id) => !received.includes(id)), []);
  assert.equal(new Set(received).size, received.length, 'none came twice');

  await server.start();
  const ids = (await bob.notifications()).map((n) => n.id);
  // Sets, because events of mutations that overlap may come in any order.
  assert.deepEqual(new Set(bobs.events.map((e) => e.data.eventId)), new Set(ids), 'nothing is left to send');
});

scenario('SIGTERM waits for events that could not be sent until now', async (t) => {
  const { server, gate } = await startGated(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const bobs = await openBrowser(t, bob);
  await gate.set('refuse');
  const questions = Array.from({ length: 20 }, (_, i) => `question ${i}`);
  for (const question of questions) await ada.ask(bob, question);
  assert.equal(bobs.events.length, 0);
  await gate.set('pass'); // the relay is still waiting for its next attempt
  await server.stop();
  assert.deepEqual((await bobs.received(20)).map((e) => e.data.question), questions);
});

scenario('after SIGTERM pusher-js comes back to the embedded Pusher by itself', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const bobs = await openBrowser(t, bob);
  await ada.ask(bob, 'Before?');
  await server.stop();
  await bobs.until(() => bobs.errors.length > 0, 'the socket is closed');
  const closed = performance.now();
  assert.deepEqual(new Set(bobs.errors), new Set([4100])); // as an error event, and as the close code
  assert.deepEqual((await bobs.received(1)).map((e) => e.data.question), ['Before?']);

  await server.start();
  await bobs.subscribed(2);
  const away = performance.now() - closed;
  t.diagnostic(`joined again ${Math.round(away)} ms after the close`);
  assert.ok(away < 5_000, `${away} ms: it met a closed door and waited 15 s`);
  await ada.ask(bob, 'After?');
  assert.deepEqual((await bobs.received(2)).map((e) => e.data.question), ['Before?', 'After?']);
  assert.equal(bobs.subscriptions, 2);
});

scenario('after SIGTERM of a second process that is the Pusher, pusher-js comes back to it too', async (t) => {
  const first = await startPusher(t);
  const server = await startServer(t, { ...app, PUSHER_HOST: first.address, PUSHER_SCHEME: 'http' });
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const bobs = await openBrowser(t, bob);
  await first.stop();
  await ada.ask(bob, 'Is there nobody to carry this?');
  assert.deepEqual(new Set(bobs.errors), new Set([4100])); // as an error event, and as the close code

  await startPusher(t, first.address);
  // The event may be sent before the browser is back, and Pusher keeps none, so the list is what counts.
  await bobs.subscribed(2);
  assert.equal((await bob.notifications({ unreadOnly: true })).length, 1);
  await ada.ask(bob, 'Live again?');
  await bobs.until(() => bobs.events.at(-1)?.data.question === 'Live again?', 'events are live again');
});
