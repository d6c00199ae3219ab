import assert from 'node:assert/strict';

import { CombinedGraphQLErrors } from '@apollo/client';

import { openBrowser } from './harness/browser.js';
import { signUpAll } from './harness/person.js';
import { inBothSetups } from './harness/setups.js';

const twenty = (mutate) => Promise.allSettled(Array.from({ length: 20 }, (_, i) => mutate(i)));

inBothSetups('twenty at once are one', async (t, start) => {
  const server = await start(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const [adas, bobs] = [await openBrowser(t, ada), await openBrowser(t, bob)];
  const item = await bob.createKnowledge('Where the key is', 'Under the mat.');

  for (const [what, whom] of [['a knowledge item', { knowledgeId: item.id }], ['a person', bob]]) {
    let id;
    const had = { ada: adas.events.length, bob: bobs.events.length };

    await t.test(`twenty identical requests to ${what} make one row and one event`, async () => {
      const outcomes = await twenty(() => ada.ask(whom, 'May I?'));
      assert.deepEqual(outcomes.filter((o) => o.status === 'rejected'), []);
      const payloads = outcomes.map((o) => o.value);
      assert.equal(payloads.filter((p) => !p.alreadyExists).length, 1);
      assert.equal(payloads.filter((p) => p.alreadyExists).length, 19);
      assert.equal(new Set(payloads.map((p) => p.knowledgeRequest.id)).size, 1);
      id = payloads[0].knowledgeRequest.id;

      const fence = await ada.ask(bob, `a fence behind ${what}`);
      const events = await bobs.received(had.bob + 2);
      assert.deepEqual(events.slice(-2).map((e) => e.data.requestId), [Number(id), Number(fence.knowledgeRequest.id)]);
      assert.equal(bobs.events.length, had.bob + 2);
      assert.equal((await bob.requests('RECEIVED')).length, had.bob + 2);
    });

    await t.test(`twenty answers to it make one winner, nineteen ALREADY_ANSWERED and one event`, async () => {
      const fence = (await bob.requests('RECEIVED')).find((r) => r.question === `a fence behind ${what}`);
      const outcomes = await twenty((i) => bob.answer(id, i % 2 ? 'APPROVED' : 'DENIED', `answer ${i}`));
      const winners = outcomes.filter((o) => o.status === 'fulfilled').map((o) => o.value.knowledgeRequest);
      const losers = outcomes.filter((o) => CombinedGraphQLErrors.is(o.reason));
      assert.equal(winners.length, 1);
      assert.deepEqual(losers.map((o) => o.reason.errors[0].extensions.code), Array(19).fill('ALREADY_ANSWERED'));

      await bob.answer(fence.id, 'DENIED', 'the fence');
      const events = (await adas.received(had.ada + 2)).slice(-2).map((e) => e.data.responseContent);
      assert.deepEqual(events, [winners[0].responseContent, 'the fence']);
      assert.equal(adas.events.length, had.ada + 2);
      const { status, responseContent } = await ada.query('request', { id });
      assert.deepEqual([status, responseContent], [winners[0].status, winners[0].responseContent]);
    });
  }

  await t.test('the lists hold exactly what the events announced', async () => {
    for (const [person, browser] of [[ada, adas], [bob, bobs]]) {
      const ids = (await person.notifications()).map((n) => n.id).reverse();
      assert.deepEqual(browser.events.map((e) => e.data.eventId), ids);
    }
  });
});
