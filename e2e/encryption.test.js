import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { openBrowser, tryBrowser } from './harness/browser.js';
import { signUpAll } from './harness/person.js';
import { inBothSetups } from './harness/setups.js';

// pusher-js/with-encryption is a build for browsers; in Node.js pusher-js itself can decrypt.
inBothSetups('with a master key Pusher carries what only the two can read', async (t, start) => {
  const server = await start(t, { PUSHER_ENCRYPTION_MASTER_KEY: randomBytes(32).toString('base64') });
  const [ada, bob, eve] = await signUpAll(server, 'Ada', 'Bob', 'Eve');
  const [adas, bobs] = [await openBrowser(t, ada), await openBrowser(t, bob)];

  await t.test('realtime names the encrypted channel', () => {
    assert.equal(bobs.channel.name, `private-encrypted-user-${bob.id}`);
  });

  await t.test('the events arrive decrypted, and nothing of them can be read on the wire', async () => {
    const { knowledgeRequest: { id } } = await ada.ask(bob, 'Where is the <key>?');
    const [asked] = await bobs.received(1);
    assert.equal(asked.name, 'knowledge-request');
    const keys = ['type', 'requestId', 'question', 'requesterName', 'createdAt', 'eventId'];
    assert.deepEqual(Object.keys(asked.data), keys);
    assert.equal(asked.data.question, 'Where is the <key>?');
    assert.deepEqual(Object.keys(JSON.parse(asked.raw)).sort(), ['ciphertext', 'nonce']);

    await bob.answer(id, 'APPROVED', 'Under the mat.');
    const [answered] = await adas.received(1);
    assert.deepEqual(answered.data, {
      type: 'knowledge-response', requestId: Number(id), status: 'approved', responseContent: 'Under the mat.',
      eventId: (await ada.notifications())[0].id,
    });
  });

  await t.test('a question that fits only unencrypted is absent', async () => {
    await ada.ask(bob, '😀'.repeat(2000));
    const [, event] = await bobs.received(2);
    assert.deepEqual(Object.keys(event.data), ['type', 'requestId', 'requesterName', 'createdAt', 'eventId']);
  });

  await t.test('the largest encrypted event is whole, one of a byte more has no responseContent', async () => {
    const respond = async (question, length) => {
      const { knowledgeRequest: { id } } = await ada.ask(bob, question);
      const before = adas.events.length;
      await bob.answer(id, 'APPROVED', 'x'.repeat(length));
      return (await adas.received(before + 1)).at(-1);
    };
    const frame = JSON.stringify((await respond('how long is the rest?', 1)).data).length - 1;
    // A box is in base64 and 16 bytes longer than its content. The nonce and the JSON around them take 60 bytes.
    const most = Math.floor((10_240 - 60) / 4) * 3 - 16 - frame;
    const whole = await respond('does it fit?', most);
    assert.equal(whole.data.responseContent.length, most);
    assert.equal(whole.raw.length, 10_240);
    const cut = await respond('and now?', most + 1);
    assert.deepEqual(Object.keys(cut.data), ['type', 'requestId', 'status', 'eventId']);
  });

  await t.test('others\' encrypted channels are rejected with 403, and without a sign-in with 401', async () => {
    const channel = bobs.channel.name;
    assert.equal((await tryBrowser(t, eve, { channel })).rejection?.status, 403);
    assert.equal((await tryBrowser(t, bob, { channel, headers: {} })).rejection?.status, 401);
  });
});
