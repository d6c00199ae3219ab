import assert from 'node:assert/strict';

import { openBrowser, tryBrowser } from './harness/browser.js';
import { failsWith, signUpAll } from './harness/person.js';
import { startServer } from './harness/server.js';
import { inBothSetups, scenario } from './harness/setups.js';

scenario('signing out closes that session\'s sockets on the embedded Pusher, and no others', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const again = await bob.signInAgain();
  assert.notEqual(again.token, bob.token);
  const [one, two, other] = [await openBrowser(t, bob), await openBrowser(t, bob), await openBrowser(t, again)];
  const authorize = (person) => fetch(`${server.url}/pusher/auth`, {
    method: 'POST', headers: person.headers,
    body: new URLSearchParams({ socket_id: other.pusher.connection.socket_id, channel_name: bob.channel }),
  });

  assert.deepEqual((await bob.signOut()).signedOut, true);

  await t.test('pusher-js is disconnected for good with 4009', async () => {
    for (const browser of [one, two]) {
      await browser.until(() => browser.state === 'disconnected', 'it is disconnected');
      assert.deepEqual(browser.states, ['connected', 'disconnected']);
      assert.ok(browser.errors.includes(4009), `${browser.errors}`);
    }
  });

  await t.test('the other session of the same person goes on', async () => {
    await ada.ask(bob, 'Still there?');
    const [event] = await other.received(1);
    assert.equal(event.data.question, 'Still there?');
    assert.equal(other.state, 'connected');
    assert.deepEqual([one.events, two.events], [[], []]);
    assert.equal((await again.query('viewer')).user.id, bob.id);
  });

  await t.test('the dead token is nobody\'s any more', async () => {
    const answer = await authorize(bob);
    assert.equal(answer.status, 401);
    assert.equal(typeof (await answer.json()).error, 'string');
    assert.equal((await authorize(again)).status, 200);
    await failsWith('UNAUTHENTICATED', bob.query('realtime'));
    await failsWith('UNAUTHENTICATED', bob.ask(ada, 'Hello?'));
    assert.equal(await bob.query('viewer'), null);
    assert.deepEqual((await bob.signOut()).signedOut, false);
  });
});

inBothSetups('a session that was signed out joins no channel', async (t, start) => {
  const server = await start(t);
  const [bob] = await signUpAll(server, 'Bob');
  const again = await bob.signInAgain();
  await bob.signOut();
  const browser = await tryBrowser(t, again, { headers: bob.headers });
  assert.equal(browser.rejection?.status, 401);
  assert.equal((await tryBrowser(t, again)).rejection, null);
});
