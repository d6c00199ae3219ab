import { AxeBuilder } from '@axe-core/playwright';
import assert from 'node:assert/strict';

import { openGuest, startChat } from './harness/chat.js';
import { expect, gone, openDevice } from './harness/device.js';
import { scenario } from './harness/setups.js';
import { LaravelEcho } from './harness/subscribers/echo.js';
import { GraphqlRuby } from './harness/subscribers/graphql-ruby.js';
import { GraphqlWs } from './harness/subscribers/graphql-ws.js';
import { Lighthouse } from './harness/subscribers/lighthouse.js';
import { eventually, soon, within } from './harness/wait.js';

// The application in examples/chat has nothing of ours but bridge, pusherapi and pusherserver. So whatever a client can
// do here, it can do with any schema.

const added = 'subscription Added($room: String!) { messageAdded(room: $room) { author text } }';
const textsOf = (stream) => stream.results.map(({ data }) => data.messageAdded.text);

/** read waits until these messages have come, in this order. */
async function read(stream, texts) {
  await stream.received(texts.length);
  assert.deepEqual(textsOf(stream), texts);
  assert.deepEqual(stream.codes, []);
}

for (const Client of [GraphqlRuby, Lighthouse, LaravelEcho]) {
  scenario(`${Client.title} in an application without accounts`, async (t) => {
    const chat = await startChat(t);
    const client = await openGuest(t, Client, chat);
    const stream = client.subscribe(added, { room: 'kitchen' });
    await within(stream.registered, 'the server answers');

    await t.test('gets the messages of its room, in order', async () => {
      await chat.send('garden', 'elsewhere');
      await chat.send('kitchen', 'one');
      await chat.send('kitchen', 'two');
      await read(stream, ['one', 'two']);
      assert.deepEqual(stream.results[1].data, { messageAdded: { author: 'Ada', text: 'two' } });
    });

    await t.test('gets what it missed while it was away', async () => {
      client.line.cut();
      await client.lost();
      await chat.send('kitchen', 'three');
      await chat.send('kitchen', 'four');
      client.line.restore();
      await stream.until(() => textsOf(stream).includes('four'), 'the last message arrives');
      // What it got just before it left may be repeated, with the same number.
      const distinct = new Map(stream.results.map(({ seq, data }) => [seq ?? data.messageAdded.text, data.messageAdded.text]));
      assert.deepEqual([...distinct.values()], ['one', 'two', 'three', 'four']);
    });

    await t.test('ends when its room is closed, without the message that Allow rejects', async () => {
      await chat.close('kitchen');
      await stream.ended();
      assert.equal(stream.ending, 'completed');
      assert.equal(textsOf(stream).at(-1), 'four');
      await soon(() => client.open === 0, 'nothing is left open');
    });

    await t.test('learns that it cannot subscribe, and leaves nothing open', async () => {
      const late = client.subscribe(added, { room: 'kitchen' });
      await late.ended();
      assert.deepEqual(late.results.filter(({ data }) => data), []);
      await soon(() => client.open === 0, 'nothing is left open');
    });
  });
}

scenario('graphql-ws in an application without accounts gets messages by the same resolver', async (t) => {
  const chat = await startChat(t);
  const client = await openGuest(t, GraphqlWs, chat);
  const stream = client.subscribe(added, { room: 'kitchen' });
  await eventually(async () => {
    await chat.send('kitchen', 'hello');
    return stream.results.length > 0;
  }, 'the stream is live');
  await chat.close('kitchen');
  await stream.ended();
  assert.ok(textsOf(stream).every((text) => text === 'hello'), `${textsOf(stream)}`);
});

scenario('the page of the chat', async (t) => {
  const chat = await startChat(t);
  const [ada, bob] = [await openDevice(t, chat), await openDevice(t, chat)];
  const pages = [ada.page, bob.page];
  const messages = (page) => page.getByRole('log', { name: 'Messages' }).getByRole('listitem');
  const status = (page) => page.getByRole('status');
  const texts = (page) => messages(page).locator('span').allTextContents();
  const enter = async (page) => {
    await page.getByLabel('Room', { exact: true }).fill('kitchen');
    await page.getByRole('button', { name: 'Enter' }).click();
    await expect(page.getByRole('heading', { name: 'kitchen' })).toBeVisible();
  };
  const send = async (page, author, text) => {
    await page.getByLabel('Your name').fill(author);
    await page.getByLabel('Message', { exact: true }).fill(text);
    await page.getByRole('button', { name: 'Send' }).click();
  };
  const see = (page, expected) => expect.poll(() => texts(page)).toEqual(expected);

  await t.test('shows two people what they write', async () => {
    for (const page of pages) await enter(page);
    await send(ada.page, 'Ada', 'Is there tea?');
    for (const page of pages) await see(page, ['Is there tea?']);
    await send(bob.page, 'Bob', '<b>Yes.</b>');
    for (const page of pages) await see(page, ['Is there tea?', '<b>Yes.</b>']);
    await expect(messages(ada.page).last()).toContainText('Bob');
    await expect(ada.page.getByRole('button', { name: 'kitchen' })).toHaveAttribute('aria-current', 'true');
  });

  await t.test('has nothing serious for axe, light and dark, and fits a narrow phone', async () => {
    for (const [colorScheme, width] of [['light', 1280], ['dark', 360]]) {
      await ada.page.emulateMedia({ colorScheme });
      await ada.page.setViewportSize({ width, height: 740 });
      const { violations } = await new AxeBuilder({ page: ada.page }).setLegacyMode().analyze();
      assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target)}`), []);
      const tooWide = () => ada.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      await expect.poll(tooWide).toBeLessThanOrEqual(0);
    }
  });

  await t.test('comes back by itself after the server was started again, which knows its subscription no more', async () => {
    for (const device of [ada, bob]) device.expected.push(gone, /403/);
    await chat.stop();
    for (const page of pages) await expect(status(page)).toHaveText('connecting');
    await chat.start();
    for (const page of pages) await expect(status(page)).toHaveText('connected');
    for (const page of pages) await see(page, []);
    await send(bob.page, 'Bob', 'Again');
    for (const page of pages) await see(page, ['Again']);
  });

  await t.test('says that a room was closed', async () => {
    await bob.page.getByRole('button', { name: 'Close this room' }).click();
    for (const page of pages) await expect(page.getByRole('alert')).toHaveText('This room was closed.');
    for (const page of pages) await expect(page.getByRole('button', { name: 'Send' })).toBeHidden();
    await see(ada.page, ['Again']);
  });
});
