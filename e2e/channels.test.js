import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';

import { openBrowser, tryBrowser } from './harness/browser.js';
import { signUpAll } from './harness/person.js';
import { inBothSetups } from './harness/setups.js';

inBothSetups('a channel is its owner\'s alone', async (t, start) => {
  const server = await start(t);
  const [ada, bob, eve] = await signUpAll(server, 'Ada', 'Bob', 'Eve');
  const [adas, bobs, eves] = [await openBrowser(t, ada), await openBrowser(t, bob), await openBrowser(t, eve)];

  /** authorize asks the server for the signature of a channel, as pusher-js does. */
  const authorize = async (person, socketId, channel) => {
    const answer = await fetch(`${server.url}/pusher/auth`, {
      method: 'POST',
      headers: person.headers,
      body: new URLSearchParams({ socket_id: socketId, channel_name: channel }),
    });
    assert.equal(answer.status, 200);
    return answer.json();
  };

  /** rejectedWith tries to join Bob's channel with the auth that forge makes for the socket. */
  const rejectedWith = async (forge) => {
    const browser = await tryBrowser(t, eve, {
      channel: bob.channel,
      customHandler: ({ socketId }, done) => Promise.resolve(forge(socketId)).then((auth) => done(null, auth), done),
    });
    assert.equal(browser.subscriptions, 0);
    assert.equal(browser.rejection.type, 'AuthError');
    assert.equal(browser.rejection.status, 401);
    assert.equal(browser.state, 'connected', 'a rejection closes nothing');
    return browser;
  };

  await t.test('a third person gets nothing of what goes on between two others', async () => {
    const { knowledgeRequest } = await ada.ask(bob, 'May I?');
    await bob.answer(knowledgeRequest.id, 'APPROVED', 'You may.');
    await bobs.received(1);
    await adas.received(1);
    // The fence: this event must arrive, and nothing before it.
    await ada.ask(eve, 'What did you hear?');
    const [only] = await eves.received(1);
    assert.equal(only.data.question, 'What did you hear?');
    assert.equal(eves.events.length, 1);
    assert.deepEqual((await eve.notifications()).map((n) => n.id), [only.data.eventId]);
  });

  await t.test('the others\' channels are rejected with 403, whatever the channel\'s name', async () => {
    const others = [bob.channel, ada.channel, 'private-user-4711', `private-encrypted-user-${bob.id}`,
      `private-encrypted-user-${eve.id}0`, `private-user-0${eve.id}`, `private-user-${eve.id}.`, 'private-anything'];
    for (const channel of others) {
      const browser = await tryBrowser(t, eve, { channel });
      assert.equal(browser.rejection?.status, 403, channel);
      assert.equal(browser.rejection.type, 'AuthError');
      assert.equal(browser.subscriptions, 0);
    }
  });

  await t.test('without a sign-in it is 401, and so it is with a session that never was', async () => {
    for (const headers of [{}, { Authorization: `Bearer ${'A'.repeat(43)}` }, { Authorization: 'Bearer forged' }]) {
      const browser = await tryBrowser(t, bob, { headers });
      assert.equal(browser.rejection?.status, 401);
    }
  });

  await t.test('a forged signature joins nothing', async () => {
    const { key } = await eve.query('realtime');
    const guess = (socketId) => createHmac('sha256', key).update(`${socketId}:${bob.channel}`).digest('hex');
    await rejectedWith((socketId) => ({ auth: `${key}:${guess(socketId)}` }));
    await rejectedWith(() => ({ auth: '' }));
    await rejectedWith(() => ({ auth: `${key}:` }));
  });

  await t.test('a signature holds for its own channel and its own socket only', async () => {
    await rejectedWith((socketId) => authorize(eve, socketId, eve.channel));
    await rejectedWith(() => authorize(bob, bobs.pusher.connection.socket_id, bob.channel));
  });

  await t.test('a rejected client hears nothing', async () => {
    const channel = bob.channel;
    const rejected = await tryBrowser(t, eve, { channel });
    const own = rejected.pusher.subscribe(eve.channel);
    const heard = [];
    rejected.pusher.bind_global((name) => heard.push(name));
    const joined = new Promise((resolve) => own.bind('pusher:subscription_succeeded', resolve));
    const fence = new Promise((resolve) => own.bind('knowledge-request', resolve));
    await joined;
    await ada.ask(bob, 'Just between us?');
    await bobs.received(2);
    await ada.ask(eve, 'Still there?');
    await fence;
    assert.deepEqual(heard.filter((name) => !name.startsWith('pusher')), ['knowledge-request']);
    assert.deepEqual(rejected.events, []);
  });
});
