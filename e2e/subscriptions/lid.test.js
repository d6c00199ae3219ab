import assert from 'node:assert/strict';

import { signUpAll } from '../harness/person.js';
import { inBothSetups } from '../harness/setups.js';
import { openSubscriber, published } from '../harness/subscribers/index.js';
import { openSubscriptions } from '../harness/subscription.js';
import { eventually, soon, within } from '../harness/wait.js';

// The lid of a laptop: every published client loses its connection for longer than the grace. This is point 9 for each.

const document = 'subscription Received { knowledgeRequestReceived { question } }';
const short = { SUBSCRIPTION_GRACE: '1s', SUBSCRIPTION_SWEEP: '1s' };

/** questionsOf returns the questions that reached the application. */
const questionsOf = (stream) => stream.results.map(({ data }) => data?.knowledgeRequestReceived?.question).filter(Boolean);

/** openAll subscribes with each client for a person, and returns them when they have joined. */
async function openAll(t, person) {
  const all = [];
  for (const Client of published) {
    const client = await openSubscriber(t, Client, person);
    const stream = client.subscribe(document);
    await within(stream.registered, `the server answers ${Client.title}`);
    all.push({ Client, client, stream });
  }
  await soon(() => all.every(({ client }) => client.pusher.allChannels().some(({ subscribed }) => subscribed)), 'all have joined');
  return all;
}

/** away cuts every line, and returns when the server counts none of the clients as present. */
async function away(server, all) {
  for (const { client } of all) client.line.cut();
  await Promise.all(all.map(({ client }) => client.lost()));
  await eventually(async () => await openSubscriptions(server) === 0, 'all are away');
}

inBothSetups('a lid that is closed for longer than the grace', async (t, start) => {
  const server = await start(t, short);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const all = await openAll(t, bob);
  await away(server, all);
  await ada.ask(bob, 'While it was closed?');
  for (const { client } of all) client.line.restore();
  for (const { Client, stream } of all) {
    await t.test(`${Client.title} gets what it missed, and what comes later`, async () => {
      await stream.until(() => questionsOf(stream).length > 0, 'the event arrives');
      assert.equal(questionsOf(stream)[0], 'While it was closed?');
      assert.equal(stream.ending, null);
    });
  }
  await ada.ask(bob, 'Later?');
  for (const { Client, stream } of all) {
    await t.test(`${Client.title} goes on`, () => stream.until(() => questionsOf(stream).includes('Later?'), 'the event arrives'));
  }
});

inBothSetups('a session that ends while the lid is closed', async (t, start) => {
  const server = await start(t, short);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const all = await openAll(t, await bob.signInAgain());
  await away(server, all);
  await all[0].client.person.signOut();
  await ada.ask(bob, 'For nobody?');
  for (const { client } of all) client.line.restore();
  for (const { Client, stream } of all) {
    await t.test(`${Client.title} shows its application the end, and nothing else`, async () => {
      await stream.ended();
      if (stream.ending !== 'completed') assert.deepEqual(stream.codes, ['SUBSCRIPTION_ENDED']);
      assert.deepEqual(questionsOf(stream), []);
    });
  }
});
