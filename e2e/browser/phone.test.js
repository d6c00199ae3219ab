import assert from 'node:assert/strict';

import { expect, openDevice } from '../harness/device.js';
import { signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';
import { card, expectUnread, toast, unread } from './steps.js';

scenario('two people ask and answer on their phones, by touch', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  await bob.createKnowledge('Where the ladder is', 'Behind the shed.');
  const adas = await openDevice(t, server, { person: ada, at: '/library', size: 'phone' });
  const bobs = await openDevice(t, server, { person: bob, at: '/inbox', size: 'phone' });
  const [a, b] = [adas.page, bobs.page];
  await Promise.all([adas, bobs].map(({ tabs: [tab] }) => tab.connected()));
  const places = (page) => page.getByRole('navigation', { name: 'Main' });

  await t.test('the navigation is at the thumb, and stays there', async () => {
    for (const page of [a, b]) {
      const { y, height } = await places(page).boundingBox();
      assert.ok(Math.abs(y + height - 844) <= 1, `it ends at ${y + height}`);
    }
  });

  await t.test('Ada asks for an item, and Bob gets a toast', async () => {
    await a.getByRole('link', { name: 'Ask Bob for “Where the ladder is”' }).tap();
    await a.getByLabel('Your question').tap();
    await a.getByLabel('Your question').fill('I want to paint the hall.');
    await a.getByRole('button', { name: 'Send' }).tap();
    await expect(card(a, 'I want to paint the hall.')).toContainText('Waiting for Bob.');
    await expect(toast(b, 'Ada asks you')).toBeVisible();
    await expectUnread(b, 1, 'Inbox');
  });

  await t.test('Bob opens the bell, while the toast is there, and answers', async () => {
    await unread(b, 1).tap();
    await b.getByRole('dialog', { name: 'Notifications' }).getByRole('link', { name: /Ada asks you/ }).tap();
    await expect(b.getByRole('heading', { level: 1, name: 'Ada asks you' })).toBeVisible();
    await b.getByRole('textbox', { name: 'Answer' }).fill('Mind the third rung.');
    await b.getByRole('button', { name: 'Approve' }).tap();
    await expect(b.getByText('You approved this')).toBeVisible();
  });

  await t.test('Ada reads the answer and the item', async () => {
    await expect(card(a, 'I want to paint the hall.')).toContainText('Mind the third rung.');
    await card(a, 'I want to paint the hall.').getByRole('link', { name: 'Read it' }).tap();
    await expect(a.getByText('Behind the shed.')).toBeVisible();
  });

  await t.test('a tap on a toast leads to its request', async () => {
    await places(b).getByRole('link', { name: 'Inbox' }).tap();
    await ada.ask(bob, 'May I take your bicycle?');
    await toast(b, 'May I take your bicycle?').getByRole('link', { name: 'Ada asks you' }).tap();
    await expect(b.getByRole('article')).toContainText('May I take your bicycle?');
    await expect(toast(b, 'May I take your bicycle?')).toHaveCount(0);
    await b.getByRole('button', { name: 'Deny' }).tap();
    await expect(b.getByText('You denied this')).toBeVisible();
  });
});
