import assert from 'node:assert/strict';

import { expect, gone, openDevice } from '../harness/device.js';
import { signUpAll } from '../harness/person.js';
import { app, startPusher } from '../harness/pusher.js';
import { startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';
import { runInPlayground as run, writeBeside, writeInPlayground as write } from './steps.js';

const results = (page) => page.locator('.result-window .view-lines');

scenario('the playground works without the internet', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const device = await openDevice(t, server, { at: '/playground' });
  const { page, tabs: [tab] } = device;

  await t.test('somebody signs in there', async () => {
    await expect(page.getByText('Nobody is signed in')).toBeVisible();
    await page.getByRole('button', { name: 'Sign in' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('E-mail address').fill(ada.email);
    await dialog.getByLabel('Password').fill('wrong horse');
    await dialog.getByRole('button', { name: 'Sign in' }).click();
    await expect(dialog.getByRole('alert')).toBeVisible();
    await dialog.getByLabel('Password').fill(ada.password);
    await dialog.getByRole('button', { name: 'Sign in' }).click();
    await expect(page.getByText('Signed in as Ada')).toBeVisible();
    await expect(dialog).toBeHidden();
  });

  await t.test('a query', async () => {
    await run(page, 'query Me { me { name email } }');
    await expect(results(page)).toContainText(ada.email);
  });

  await t.test('variables, and headers that make somebody else of who asks; the history keeps no header', async () => {
    await writeBeside(page, 'Variables', '{"text": "nothing has this title"}');
    await writeBeside(page, 'Headers', JSON.stringify(bob.headers));
    await run(page, 'query Search ($text: String!) { me { name } knowledge(search: $text) { totalCount } }');
    await expect(results(page)).toContainText('"name": "Bob"');
    await expect(results(page)).toContainText('"totalCount": 0');
    await writeBeside(page, 'Headers', '');
    await writeBeside(page, 'Variables', '');
    const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }));
    assert.ok(kept.includes('query Search'));
    assert.ok(!kept.includes(bob.token), 'a token is kept');
  });

  await t.test('a mutation', async () => {
    await run(page, 'mutation Offer { createKnowledge(input: {title: "Apples", content: "In winter."}) { knowledge { title content } } }');
    await expect(results(page)).toContainText('In winter.');
  });

  for (const transport of ['WebSocket', 'SSE', 'Pusher']) {
    await t.test(`a subscription over ${transport}`, async () => {
      await page.getByRole('radio', { name: transport }).check({ force: true });
      const before = { sockets: tab.sockets.length, requests: tab.requests.length };
      await run(page, 'subscription Watch { knowledgePublished { title owner { name } } }');
      await expect(page.getByRole('button', { name: /^Stop query/ })).toBeVisible();
      let knocks = 0; // nothing shows when it is live
      await expect.poll(async () => {
        await bob.createKnowledge(`Over ${transport}, knock ${knocks += 1}`, 'x');
        return results(page).textContent();
      }).toContain('knock');
      await expect(results(page)).toContainText('Bob');
      await page.getByRole('button', { name: /^Stop query/ }).click();
      await expect(page.getByRole('button', { name: /^Execute query/ })).toBeVisible();
      assert.equal(tab.sockets.length - before.sockets, transport === 'SSE' ? 0 : 1);
      if (transport !== 'SSE') await tab.until(() => tab.sockets.at(-1).closed, 'the socket is closed');
    });
  }

  await t.test('a subscription over Pusher that begins with something, and ends with its last value', async () => {
    const { knowledgeRequest: { id } } = await ada.ask(bob, 'Does it end?');
    await run(page, `subscription One { knowledgeRequestChanged(id: "${id}") { status responseContent } }`);
    await expect(results(page)).toContainText('PENDING');
    await expect(results(page)).not.toContainText('lighthouse');
    await tab.until(() => tab.sockets.at(-1).received.some((frame) => frame.includes('subscription_succeeded')), 'the channel is joined');
    await bob.answer(id, 'APPROVED', 'It does. '.repeat(400)); // long enough to be compressed
    await expect(results(page)).toContainText('APPROVED');
    await expect(page.getByRole('button', { name: /^Execute query/ })).toBeVisible();
    await tab.until(() => tab.sockets.at(-1).closed, 'the socket is closed');
  });

  await t.test('a subscription that the server rejects shows the reason', async () => {
    await run(page, 'subscription None { knowledgeRequestChanged(id: "999") { status } }');
    await expect(results(page)).toContainText('NOT_FOUND');
    await expect(page.getByRole('button', { name: /^Execute query/ })).toBeVisible();
  });

  await t.test('what was run is in the history', async () => {
    await page.getByRole('button', { name: 'Show History' }).click();
    const history = page.getByRole('region', { name: 'History' });
    await expect(history.getByText('Offer')).toBeVisible();
    await history.getByText('Me', { exact: true }).first().click();
    await expect(page.locator('.graphiql-query-editor .view-lines')).toContainText('query Me');
  });

  await t.test('the docs show the schema, and what is in it', async () => {
    await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
    const docs = page.getByRole('region', { name: 'Documentation Explorer' });
    await docs.getByRole('link', { name: 'Mutation', exact: true }).click();
    await docs.getByRole('link', { name: 'createKnowledgeRequest', exact: true }).click();
    await expect(docs).toContainText('CreateKnowledgeRequestInput');
  });

  await t.test('the editor completes what is typed, from its workers', async () => {
    await write(page, 'query { kno');
    await page.keyboard.press('Control+Space');
    await expect(page.locator('.graphiql-query-editor .suggest-widget')).toContainText('knowledge');
    await page.keyboard.press('Escape');
  });

  await t.test('the session is the app\'s, and ends there', async () => {
    const other = await device.tab('/library');
    const app = other.page;
    await expect(app.getByRole('button', { name: 'Account of Ada' })).toBeVisible();
    await other.joined(3);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await expect(page.getByText('Nobody is signed in')).toBeVisible();
    await expect(app.getByRole('heading', { level: 1, name: 'Sign in' })).toBeVisible();
  });
});

scenario('the playground subscribes over another, encrypted Pusher, and shows when that is gone', async (t) => {
  const pusher = await startPusher(t);
  const server = await startServer(t, {
    ...app, PUSHER_HOST: pusher.address, PUSHER_SCHEME: 'http',
    PUSHER_ENCRYPTION_MASTER_KEY: Buffer.alloc(32, 7).toString('base64'),
  });
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const device = await openDevice(t, server, { person: ada, at: '/playground', allowed: [`http://${pusher.address}`] });
  const { page, tabs: [tab] } = device;
  const joined = () => tab.sockets.at(-1)?.received.some((frame) => frame.includes('subscription_succeeded'));
  await page.getByRole('radio', { name: 'Pusher' }).check({ force: true });
  await run(page, 'subscription Asked { knowledgeRequestReceived { question } }');
  await tab.until(joined, 'the channel is joined');
  await bob.ask(ada, 'Can anybody else read this?');
  await expect(results(page)).toContainText('Can anybody else read this?');
  assert.doesNotMatch(tab.sockets.at(-1).received.join(), /anybody else/);

  device.expected.push(gone);
  await pusher.stop();
  await expect(results(page)).toContainText(/Pusher\s(ended\sthe\sconnection|cannot\sbe\sreached)/);
});
