import assert from 'node:assert/strict';

import { expect, openDevice } from '../harness/device.js';
import { signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';
import { card, expectUnread, goTo, send, toast } from './steps.js';

const titled = (page, title) => page.getByRole('heading', { level: 1, name: title });
const linked = (page, title) => page.getByRole('link', { name: title, exact: true });

scenario('an item is added, found, changed and deleted', async (t) => {
  const server = await startServer(t);
  const [ada] = await signUpAll(server, 'Ada');
  const { page } = await openDevice(t, server, { person: ada, at: '/library' });

  await t.test('an incomplete form shows what is missing, and loses nothing', async () => {
    await page.getByRole('link', { name: 'Add what you know' }).click();
    await page.getByLabel('Content').fill('Twice a year.');
    await page.getByRole('button', { name: 'Add to the library' }).click();
    await expect(page.getByText('Give it a title.')).toBeVisible();
    await expect(page.getByLabel('Title')).toBeFocused();
    await expect(page.getByLabel('Content')).toHaveValue('Twice a year.');
  });

  await t.test('it is added and shown', async () => {
    await page.getByLabel('Title').fill('How to bleed a radiator');
    await page.getByRole('button', { name: 'Add to the library' }).click();
    await expect(titled(page, 'How to bleed a radiator')).toBeVisible();
    await expect(page.getByText('Twice a year.')).toBeVisible();
    await expect(toast(page, 'is in the library')).toBeVisible();
  });

  await t.test('it is among the own titles, and found by a part of a word', async () => {
    await page.getByRole('link', { name: 'Back to the library' }).click();
    await expect(linked(page, 'How to bleed a radiator')).toBeVisible();
    await page.getByRole('searchbox').fill('RADIAT');
    await expect(page.getByText('1 title with “RADIAT”.')).toBeVisible();
    await page.getByRole('searchbox').fill('boiler');
    await expect(page.getByText('No title has these words')).toBeVisible();
    await page.getByRole('button', { name: 'Clear the search' }).click();
    await expect(linked(page, 'How to bleed a radiator')).toBeVisible();
  });

  await t.test('it is changed', async () => {
    await page.getByRole('link', { name: 'Edit “How to bleed a radiator”' }).click();
    await expect(page.getByLabel('Content')).toHaveValue('Twice a year.');
    await page.getByLabel('Content').fill('Once a year.');
    await page.getByRole('button', { name: 'Save' }).click();
    await expect(titled(page, 'How to bleed a radiator')).toBeVisible();
    await expect(page.getByText('Once a year.')).toBeVisible();
  });

  await t.test('it is kept, and deleted, after a question', async () => {
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Keep it' }).click();
    await expect(page.getByRole('dialog')).toBeHidden();
    await expect(page.getByRole('button', { name: 'Delete' })).toBeFocused();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Delete it' }).click();
    await expect(page.getByText('You have not added anything yet')).toBeVisible();
    await expect(toast(page, 'was deleted')).toBeVisible();
  });
});

scenario('an item is asked for from the library, shared by an approval, and then readable', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const knowledge = await bob.createKnowledge('Where the ladder is', 'Behind the shed.');
  const { page, tabs: [tab] } = await openDevice(t, server, { person: ada, at: '/library' });
  await tab.connected();
  await linked(page, 'Where the ladder is').click();
  await expect(page.getByText('Bob shares this on request.')).toBeVisible();
  await page.getByRole('link', { name: 'Ask Bob for “Where the ladder is”' }).click();
  await page.getByLabel('Your question').fill('I want to paint the hall.');
  await send(page);
  await expect(card(page, 'I want to paint the hall.')).toContainText('You asked Bob for Where the ladder is');

  await t.test('asking again shows that there is a request already', async () => {
    await page.goto(`${server.url}/ask?knowledge=${knowledge.id}`);
    await page.getByLabel('Your question').fill('Me again.');
    await send(page);
    await expect(page.getByText('You have asked this already')).toBeVisible();
    await page.getByRole('link', { name: 'See your request' }).click();
    await expect(page.getByText('I want to paint the hall.')).toBeVisible();
  });

  await t.test('approved, the item can be read at once, on its page that is open', async () => {
    await page.goto(`${server.url}/library/${knowledge.id}`);
    await expect(page.getByText('Bob shares this on request.')).toBeVisible();
    await tab.connected();
    const [{ id }] = await bob.requests('RECEIVED');
    await bob.answer(id, 'APPROVED', 'Mind the third rung.');
    await expect(page.getByText('Behind the shed.')).toBeVisible();
    await expect(page.getByText('Shared with you')).toBeVisible();
    await goTo(page, 'Sent');
    await card(page, 'Mind the third rung.').getByRole('link', { name: 'Read it' }).click();
    await expect(page.getByText('Behind the shed.')).toBeVisible();
  });

  await t.test('asking for what is shared leads to it', async () => {
    await page.goto(`${server.url}/ask?knowledge=${knowledge.id}`);
    await page.getByLabel('Your question').fill('May I still?');
    await send(page);
    await expect(page.getByRole('alert').filter({ hasText: 'You can read this already' })).toBeVisible();
  });
});

scenario('new titles of others wait until the reader asks for them, and one\'s own are there', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  await bob.createKnowledge('The first title', 'x');
  const { page, tabs: [tab] } = await openDevice(t, server, { person: ada, at: '/library' });
  await tab.connected();
  await expect(page.getByText('1 title.')).toBeVisible();
  await tab.joined(3); // Ada's own channel, and those of both subscriptions

  await bob.createKnowledge('The second title', 'x');
  await bob.createKnowledge('The third title', 'x');
  await expect(page.getByRole('button', { name: 'Show 2 new titles' })).toBeVisible();
  await expect(linked(page, 'The second title')).toHaveCount(0);
  await page.getByRole('button', { name: 'Show 2 new titles' }).click();
  await expect(page.getByRole('list', { name: 'Titles of others' }).getByRole('heading')).toHaveText([
    'The third title', 'The second title', 'The first title',
  ]);
  await expect(linked(page, 'The third title')).toBeFocused();

  await page.getByRole('tab', { name: 'Mine' }).click();
  await expect(page.getByText('You have not added anything yet')).toBeVisible();
  await ada.createKnowledge('One of my own', 'x'); // on another device
  await expect(linked(page, 'One of my own')).toBeVisible();
});

scenario('a deleted item denies the pending requests, and their page shows it', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const knowledge = await bob.createKnowledge('Soon gone', 'x');
  await ada.ask({ knowledgeId: knowledge.id }, 'Please?');
  const { page, tabs: [tab] } = await openDevice(t, server, { person: ada, at: '/sent' });
  await tab.connected();
  await expect(card(page, 'Please?')).toContainText('Waiting for Bob.');
  await bob.deleteKnowledge(knowledge.id);
  await expect(card(page, 'Please?')).toContainText('Bob denied this');
  await expect(toast(page, 'Bob denied your request')).toBeVisible();
  await expectUnread(page, 1, 'Sent');
  await page.goto(`${server.url}/library/${knowledge.id}`);
  await expect(page.getByText('There is no such item')).toBeVisible();
});

scenario('the page shows that the server cannot be reached, and works when it can', async (t) => {
  const server = await startServer(t);
  const [ada] = await signUpAll(server, 'Ada', 'Bob');
  const device = await openDevice(t, server, { person: ada, at: '/ask' });
  const { page, context } = device;
  await page.getByRole('combobox', { name: 'Who may know?' }).fill('Bob');
  await page.getByRole('option', { name: 'Bob' }).click();
  await page.getByLabel('Your question').fill('Can you hear me?');
  device.expected.push(/ERR_INTERNET_DISCONNECTED/);
  await context.setOffline(true);
  await send(page);
  await expect(page.getByRole('alert').filter({ hasText: 'It has not been sent' })).toBeVisible();
  await expect(page.getByLabel('Your question')).toHaveValue('Can you hear me?');
  await context.setOffline(false);
  await send(page);
  await expect(card(page, 'Can you hear me?')).toBeVisible();
  assert.equal((await ada.requests('SENT')).length, 1);
});
