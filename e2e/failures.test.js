import assert from 'node:assert/strict';

import { openBrowser } from './harness/browser.js';
import { failsWith, signUpAll } from './harness/person.js';
import { inBothSetups } from './harness/setups.js';

inBothSetups('a mutation that fails notifies nobody', async (t, start) => {
  const server = await start(t);
  const [ada, bob, eve] = await signUpAll(server, 'Ada', 'Bob', 'Eve');
  const [adas, bobs, eves] = [await openBrowser(t, ada), await openBrowser(t, bob), await openBrowser(t, eve)];
  const item = await bob.createKnowledge('Where the key is', 'Under the mat.');
  const { knowledgeRequest: open } = await ada.ask(bob, 'May I?');
  const { knowledgeRequest: done } = await ada.ask({ knowledgeId: item.id }, 'For the cellar?');
  await bob.answer(done.id, 'APPROVED');
  await bobs.received(2);
  await adas.received(1);

  const nothing = '9007199254740991'; // the largest id there can be
  const both = { knowledgeId: item.id, ownerId: bob.id };
  const failures = {
    'answering somebody else\'s request': ['NOT_FOUND', () => eve.answer(open.id, 'APPROVED')],
    'answering one\'s own request': ['FORBIDDEN', () => ada.answer(open.id, 'APPROVED')],
    'answering a request twice': ['ALREADY_ANSWERED', () => bob.answer(done.id, 'DENIED')],
    'answering a request that does not exist': ['NOT_FOUND', () => bob.answer(nothing, 'DENIED')],
    'answering with a control character': ['BAD_USER_INPUT', () => bob.answer(open.id, 'APPROVED', 'a\u0007b')],
    'answering with more than 64 KiB': ['BAD_USER_INPUT', () => bob.answer(open.id, 'APPROVED', 'x'.repeat(65_537))],
    'asking oneself': ['OWN_KNOWLEDGE', () => bob.ask(bob, 'Do I know?')],
    'asking for one\'s own item': ['OWN_KNOWLEDGE', () => bob.ask({ knowledgeId: item.id }, 'Do I know?')],
    'asking for what is shared already': ['ALREADY_SHARED', () => ada.ask({ knowledgeId: item.id }, 'Again?')],
    'asking for an item that does not exist': ['NOT_FOUND', () => ada.ask({ knowledgeId: nothing }, 'This?')],
    'asking nothing': ['BAD_USER_INPUT', () => ada.ask(bob, ' \n\t ')],
    'asking 2,001 characters': ['BAD_USER_INPUT', () => ada.ask(bob, 'x'.repeat(2001))],
    'asking nobody': ['BAD_USER_INPUT', () => ada.ask({}, 'Anybody?')],
    'asking for an item and a person': ['BAD_USER_INPUT', () => eve.ask(both, 'Which?')],
  };
  for (const [name, [code, mutation]] of Object.entries(failures)) {
    await t.test(`${name} is ${code}`, () => failsWith(code, mutation()));
  }

  await t.test('and no event came of any of them', async () => {
    for (const [asker, asked] of [[eve, ada], [eve, bob], [bob, eve]]) await asker.ask(asked, 'the fence');
    assert.equal((await adas.received(2)).at(-1).data.question, 'the fence');
    assert.equal((await bobs.received(3)).at(-1).data.question, 'the fence');
    assert.equal((await eves.received(1)).at(-1).data.question, 'the fence');
    assert.deepEqual([adas, bobs, eves].map((b) => b.events.length), [2, 3, 1]);
    assert.equal((await ada.query('request', { id: open.id })).status, 'PENDING');
  });
});
