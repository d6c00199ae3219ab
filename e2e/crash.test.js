import assert from 'node:assert/strict';

import { CombinedGraphQLErrors } from '@apollo/client';

import { openBrowser } from './harness/browser.js';
import { startGated } from './harness/gated.js';
import { signUpAll } from './harness/person.js';
import { startServer } from './harness/server.js';
import { scenario } from './harness/setups.js';

for (const mode of ['refuse', 'fail', 'hang']) {
  scenario(`kill -9 after commit and before trigger (${mode}): the event arrives once after the restart`, async (t) => {
    const { server, gate } = await startGated(t);
    const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
    const bobs = await openBrowser(t, bob);
    await gate.set(mode);
    const { knowledgeRequest } = await ada.ask(bob, 'Will you hear of this?');
    if (mode !== 'refuse') await gate.called(mode); // otherwise there is no call to wait for
    await server.kill();
    assert.equal(bobs.events.length, 0);

    await gate.set('pass');
    await server.start();
    const [event] = await bobs.received(1);
    assert.equal(event.data.requestId, Number(knowledgeRequest.id));
    await ada.ask(bob, 'the fence');
    assert.equal((await bobs.received(2))[1].data.question, 'the fence');
    assert.equal(bobs.events.length, 2);
    assert.equal(bobs.subscriptions, 1, 'the socket outlived the server');
    const unread = (await bob.notifications({ unreadOnly: true })).map((n) => n.id);
    assert.deepEqual(bobs.events.map((e) => e.data.eventId), unread.reverse());
  });
}

scenario('kill -9 after trigger and before it is known: the event comes again under the same eventId', async (t) => {
  const { server, gate } = await startGated(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const bobs = await openBrowser(t, bob);
  await gate.set('mute');
  await ada.ask(bob, 'Will you hear of this twice?');
  await bobs.received(1);
  await server.kill();
  await gate.set('pass');
  await server.start();
  const [first, again] = await bobs.received(2);
  assert.equal(again.raw, first.raw);
  assert.equal((await bob.notifications()).length, 1);
});

scenario('kill -9 of the embedded Pusher: pusher-js comes back by itself and finds every event once', async (t) => {
  const server = await startServer(t);
  const [bob, ...askers] = await signUpAll(server, 'Bob', 'Ada', 'Eve', 'Kim');
  const bobs = await openBrowser(t, bob);

  const answered = []; // ids of the requests that the server has confirmed
  const asking = Promise.allSettled(askers.map(async (asker) => {
    for (let i = 0; ; i += 1) answered.push((await asker.ask(bob, `question ${i}`)).knowledgeRequest.id);
  }));
  await bobs.received(20);
  await server.kill();
  for (const { reason } of await asking) {
    assert.ok(!CombinedGraphQLErrors.is(reason), `an answer instead of a broken connection: ${reason}`);
  }

  const died = performance.now();
  await server.start();
  await bobs.subscribed(2);
  t.diagnostic(`joined again ${Math.round(performance.now() - died)} ms after the kill`);
  const missed = await bob.notifications({ unreadOnly: true });

  const notified = missed.map((n) => n.request.id);
  assert.equal(new Set(missed.map((n) => n.id)).size, missed.length, 'each eventId once');
  assert.equal(new Set(notified).size, notified.length, 'each request once');
  const received = (await bob.requests('RECEIVED')).map((r) => r.id);
  assert.deepEqual(new Set(notified), new Set(received), 'no request without its event');
  assert.deepEqual(answered.filter((id) => !notified.includes(id)), [], 'nothing that was answered is lost');

  await askers[0].ask(bob, 'Live again?');
  await bobs.until(() => bobs.events.at(-1).data.question === 'Live again?', 'events are live again');
  const idOf = new Map(missed.map((n) => [Number(n.request.id), n.id]));
  for (const { data } of bobs.events.slice(0, -1)) assert.equal(data.eventId, idOf.get(data.requestId));
});
