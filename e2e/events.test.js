import assert from 'node:assert/strict';

import { openBrowser } from './harness/browser.js';
import { signUpAll } from './harness/person.js';
import { inBothSetups } from './harness/setups.js';

const moment = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const awkward = '<b>&amp;</b> "quoted" \\ back\tslash\nline – é 😀';

/** notificationOf returns the id of the only notification about a request. The event must have the same id. */
async function notificationOf(person, kind, requestId) {
  const about = (await person.notifications()).filter((n) => n.kind === kind && n.request.id === requestId);
  assert.equal(about.length, 1);
  assert.match(about[0].createdAt, moment);
  return about[0].id;
}

inBothSetups('an event is exactly that of the contract', async (t, start) => {
  const server = await start(t);
  const [ada, bob] = await signUpAll(server, 'Ada <Lovelace> & Co', 'Bob');
  const [adas, bobs] = [await openBrowser(t, ada), await openBrowser(t, bob)];

  /** next returns the next event of a browser's channel, after those of earlier steps. */
  const seen = new Map([[adas, 0], [bobs, 0]]);
  const next = async (browser) => {
    seen.set(browser, seen.get(browser) + 1);
    return (await browser.received(seen.get(browser))).at(-1);
  };

  /** asked makes Ada ask Bob, and returns the request with Bob's event. */
  const asked = async (whom, question) => {
    const { knowledgeRequest, alreadyExists } = await ada.ask(whom, question);
    assert.equal(alreadyExists, false);
    const event = await next(bobs);
    assert.equal(event.name, 'knowledge-request');
    return { request: knowledgeRequest, event };
  };

  /** answered makes Bob answer a new request, and returns Ada's event with the values that must be in it. */
  const answered = async (status, responseContent) => {
    const { request } = await asked(bob, `may I, for the ${seen.get(bobs)}. time?`);
    await bob.answer(request.id, status, responseContent);
    const event = await next(adas);
    assert.equal(event.name, 'knowledge-response');
    const eventId = await notificationOf(ada, 'KNOWLEDGE_RESPONSE', request.id);
    return { event, request, eventId };
  };

  await t.test('a new request arrives as knowledge-request, keys in order and texts not escaped for HTML', async () => {
    const { request, event } = await asked(bob, awkward);
    assert.match(request.createdAt, moment);
    assert.equal(event.raw, JSON.stringify({
      type: 'knowledge-request',
      requestId: Number(request.id),
      question: awkward,
      requesterName: 'Ada <Lovelace> & Co',
      createdAt: request.createdAt,
      eventId: await notificationOf(bob, 'KNOWLEDGE_REQUEST', request.id),
    }));
    assert.deepEqual(event.data, JSON.parse(event.raw), 'pusher-js hands out what came over the wire');
  });

  await t.test('a request for a knowledge item looks the same', async () => {
    const item = await bob.createKnowledge('Where the key is', 'Under the mat.');
    const { request, event } = await asked({ knowledgeId: item.id }, 'for the cellar');
    const keys = ['type', 'requestId', 'question', 'requesterName', 'createdAt', 'eventId'];
    assert.deepEqual(Object.keys(event.data), keys);
    await bob.answer(request.id, 'APPROVED');
    assert.equal((await next(adas)).data.requestId, Number(request.id));
    const { knowledge } = await ada.query('request', { id: request.id });
    assert.deepEqual(knowledge, { __typename: 'Knowledge', id: item.id, content: 'Under the mat.' });
  });

  for (const [status, word] of [['APPROVED', 'approved'], ['DENIED', 'denied']]) {
    await t.test(`an answer arrives as knowledge-response, ${word}, with its text`, async () => {
      const { event, request, eventId } = await answered(status, awkward);
      assert.equal(event.raw, JSON.stringify({
        type: 'knowledge-response', requestId: Number(request.id), status: word, responseContent: awkward, eventId,
      }));
    });

    await t.test(`an answer without a text, ${word}, has no responseContent`, async () => {
      const { event, request, eventId } = await answered(status);
      assert.equal(event.raw, JSON.stringify({
        type: 'knowledge-response', requestId: Number(request.id), status: word, eventId,
      }));
    });
  }

  await t.test('a deleted item denies its pending requests, and their requesters are notified', async () => {
    const item = await bob.createKnowledge('Soon gone', 'Nothing.');
    const { request } = await asked({ knowledgeId: item.id }, 'quick');
    await bob.deleteKnowledge(item.id);
    const { data } = await next(adas);
    assert.deepEqual(data, {
      type: 'knowledge-response', requestId: Number(request.id), status: 'denied',
      eventId: await notificationOf(ada, 'KNOWLEDGE_RESPONSE', request.id),
    });
  });

  await t.test('the longest question of four-byte characters still fits', async () => {
    const { event } = await asked(bob, '😀'.repeat(2000));
    assert.equal(event.data.question, '😀'.repeat(2000));
  });

  await t.test('a question that would take the event past 10,240 bytes is absent, readable over GraphQL', async () => {
    const question = `a${'\u2028'.repeat(1998)}z`; // Go writes six bytes of JSON for each
    const { request, event } = await asked(bob, question);
    assert.deepEqual(Object.keys(event.data), ['type', 'requestId', 'requesterName', 'createdAt', 'eventId']);
    assert.equal((await bob.query('request', { id: request.id })).question, question);
  });

  await t.test('an event of exactly 10,240 bytes is whole, one of a byte more has no responseContent', async () => {
    const { event: short } = await answered('APPROVED', 'x');
    const frame = Buffer.byteLength(short.raw) - 1; // all ids have the same number of digits
    const { event: whole } = await answered('APPROVED', 'x'.repeat(10_240 - frame));
    assert.equal(Buffer.byteLength(whole.raw), 10_240);
    const { event, request } = await answered('APPROVED', 'x'.repeat(10_241 - frame));
    assert.deepEqual(Object.keys(event.data), ['type', 'requestId', 'status', 'eventId']);
    assert.equal((await ada.query('request', { id: request.id })).responseContent.length, 10_241 - frame);
  });

  await t.test('a responseContent of 20,000 bytes is absent, and readable over GraphQL', async () => {
    const { event, request, eventId } = await answered('APPROVED', 'é'.repeat(10_000));
    const rest = { type: 'knowledge-response', requestId: Number(request.id), status: 'approved', eventId };
    assert.deepEqual(event.data, rest);
    assert.equal((await ada.query('request', { id: request.id })).responseContent, 'é'.repeat(10_000));
  });

  assert.equal(adas.events.length, seen.get(adas), 'nothing came twice');
  assert.equal(bobs.events.length, seen.get(bobs), 'nothing came twice');
});
