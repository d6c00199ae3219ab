import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';

import { expect, gone, openDevice } from '../harness/device.js';
import { openLine } from '../harness/line.js';
import { Person, signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { inBothSetups, scenario } from '../harness/setups.js';
import { answer, ask, card, expectUnread, goTo, send, toast, unread, writeQuestion } from './steps.js';

/** openTwo opens Ada's and Bob's devices, Bob's at his inbox. */
async function openTwo(t, server, options = {}) {
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const [adas, bobs] = await Promise.all([
    openDevice(t, server, { person: ada, at: '/ask', ...options }),
    openDevice(t, server, { person: bob, at: '/inbox', ...options }),
  ]);
  await Promise.all([adas.tabs[0].connected(), bobs.tabs[0].connected()]);
  await expect(bobs.page.getByText('Nobody is waiting')).toBeVisible();
  return { ada, bob, adas, bobs };
}

// The policy names a separate Pusher, and nothing else.
const pusherOf = ({ env }) => (env.PUSHER_HOST ? [`http://${env.PUSHER_HOST}`] : []);

const exchange = async (t, server) => {
  const { adas, bobs } = await openTwo(t, server, { allowed: pusherOf(server) });
  const [a, b] = [adas.page, bobs.page];

  await t.test('Ada asks: within a second of her click Bob has a toast, the card and the count, by one question to the server', async () => {
    await writeQuestion(a, 'Bob', 'Where is the ladder?');
    await expectUnread(b, 0, 'Inbox');
    const before = bobs.requests.length;
    const clicked = a.evaluate(() => new Promise((resolve) => {
      addEventListener('click', () => resolve(Date.now()), { capture: true, once: true });
    }));
    const shown = b.evaluate(() => new Promise((resolve) => {
      const all = ['[role=alert]', 'article', 'button[aria-label="Notifications, 1 unread"]'];
      const look = () => all.every((one) => document.querySelector(one)?.checkVisibility()) && resolve(Date.now());
      new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributes: true });
    }));
    await send(a);
    const took = (await shown) - (await clicked);
    assert.ok(took <= 1000, `toast, card and count were there ${took} ms after the click`);
    t.diagnostic(`from Ada's click to Bob's toast, card and count: ${took} ms`);

    await expect(toast(b, 'Ada asks you')).toContainText('Where is the ladder?');
    await expect(card(b, 'Where is the ladder?')).toContainText('Ada asks you');
    await expectUnread(b, 1, 'Inbox');
    await expect(toast(a, 'Bob was asked.')).toBeVisible();
    await expect(card(a, 'Where is the ladder?')).toContainText('Waiting for Bob.');
    // The event does not name the requester and the item.
    const sent = bobs.requests.slice(before).filter(({ path }) => !path.startsWith('/assets/'));
    assert.deepEqual(sent.map(({ path, operation }) => operation ?? path), ['EventRequest']);
  });

  await t.test('Bob approves with a text: Ada sees it in a toast, her list, the bell and the request', async () => {
    await answer(card(b, 'Where is the ladder?'), 'Approve', 'Behind the shed.');
    await expect(toast(b, 'Approved. Ada was told.')).toBeVisible();
    await expect(b.getByText('Nobody is waiting')).toBeVisible();
    await expectUnread(b, 0, 'Inbox');

    await expect(toast(a, 'Bob approved your request')).toContainText('Behind the shed.');
    await expect(card(a, 'Where is the ladder?')).toContainText('Bob approved this');
    await expect(card(a, 'Where is the ladder?')).toContainText('Behind the shed.');
    await expectUnread(a, 1, 'Sent');
    await unread(a, 1).click();
    await a.getByRole('dialog', { name: 'Notifications' }).getByRole('link', { name: /Bob approved your request/ }).click();
    await expect(a.getByRole('article')).toContainText('Behind the shed.');
    await expectUnread(a, 0, 'You asked Bob');
  });

  await t.test('Bob denies: Ada sees it on the page of the request, which is open', async () => {
    await ask(a, 'Bob', 'May I take your bicycle?');
    await card(a, 'May I take your bicycle?').getByRole('link', { name: 'open this request' }).click();
    await expect(a.getByRole('article')).toContainText('Waiting for Bob.');
    await answer(card(b, 'May I take your bicycle?'), 'Deny');
    await expect(a.getByRole('article')).toContainText('Bob denied this, without a text');
    await expect(toast(a, 'Bob denied your request')).toBeVisible();
    await goTo(a, 'Sent');
    await expect(card(a, 'May I take your bicycle?')).toContainText('Denied');
    await expectUnread(a, 0, 'Sent');
    await expect(b.getByText('Nobody is waiting')).toBeVisible();
  });
};

inBothSetups('two people ask and answer', async (t, start) => exchange(t, await start(t)));

inBothSetups('two people ask and answer, encrypted', async (t, start) => {
  await exchange(t, await start(t, { PUSHER_ENCRYPTION_MASTER_KEY: randomBytes(32).toString('base64') }));
});

scenario('ten minutes in which nothing happens are ten minutes without a request', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const device = await openDevice(t, server, { person: bob, at: '/inbox', prepare: (page) => page.clock.install() });
  const [tab] = device.tabs;
  await tab.connected();
  await expect(tab.page.getByText('Nobody is waiting')).toBeVisible();
  // At first the page reads the list of the bell again when the channel is joined.
  await tab.until(({ operations }) => operations.filter((name) => name === 'Notifications').length === 2, 'it has read what it may have missed');
  await tab.joined(2); // Bob's own channel, and that of viewerActed
  await tab.page.waitForLoadState('networkidle');
  const before = device.requests.length;
  const pings = () => tab.sockets[0].sent.filter((frame) => frame.includes('pusher:ping')).length;
  const pongs = () => tab.sockets[0].received.filter((frame) => frame.includes('pusher:pong')).length;

  for (let seconds = 0; seconds < 600; seconds += 5) {
    await tab.page.clock.runFor(5000);
    await tab.until(() => pings() === pongs(), 'each ping has its pong');
  }
  assert.ok(pings() >= 10, `${pings()} pings: the timers of the page ran`);
  // Each file of the app may be requested once, in idle time.
  const since = () => device.requests.slice(before).filter(({ path }) => !path.startsWith('/assets/'));
  const files = device.requests.map(({ path }) => path).filter((path) => path.startsWith('/assets/'));
  assert.deepEqual(since().map(({ path, operation }) => operation ?? path), []);
  assert.equal(new Set(files).size, files.length, `${files}`);
  assert.equal(tab.sockets.length, 1);

  await ada.ask(bob, 'Still there?');
  await expect(toast(tab.page, 'Ada asks you')).toContainText('Still there?');
  await expect(card(tab.page, 'Still there?')).toBeVisible();
  assert.deepEqual(since().map(({ operation }) => operation), ['EventRequest']);
});

scenario('who was offline has everything when the line is back, once', async (t) => {
  const server = await startServer(t);
  const line = await openLine(t, server.address);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const device = await openDevice(t, server, { person: bob, at: '/inbox', through: line });
  const { page, tabs: [tab] } = device;
  const adas = await openDevice(t, server, { person: ada, at: '/ask' });
  await tab.connected();
  await ask(adas.page, 'Bob', 'Before the tunnel?');
  await expectUnread(page, 1, 'Inbox');

  device.expected.push(gone);
  line.cut();
  await device.context.setOffline(true);
  await expect(page.getByRole('status', { name: 'Live connection: connected' })).toBeHidden();
  await ask(adas.page, 'Bob', 'First in the tunnel?');
  await ask(adas.page, 'Bob', 'Second in the tunnel?');
  await expectUnread(page, 1, 'Inbox');

  line.restore();
  await device.context.setOffline(false);
  await tab.connected();
  await Promise.all(['First in the tunnel?', 'Second in the tunnel?'].map((question) => expect(toast(page, question)).toHaveCount(1)));
  for (const question of ['Before the tunnel?', 'First in the tunnel?', 'Second in the tunnel?']) {
    await expect(card(page, question)).toHaveCount(1);
  }
  await expectUnread(page, 3, 'Inbox');

  await ask(adas.page, 'Bob', 'After the tunnel?');
  await expect(toast(page, 'After the tunnel?')).toHaveCount(1);
  await expect(page.getByRole('article')).toHaveCount(4);
  await expectUnread(page, 4, 'Inbox');
  await unread(page, 4).click();
  await expect(page.getByRole('dialog', { name: 'Notifications' }).getByRole('listitem')).toHaveCount(4);
});

scenario('two tabs of one person are in step', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const device = await openDevice(t, server, { person: bob, at: '/inbox' });
  const one = device.page;
  const { page: two } = await device.tab('/inbox');
  await Promise.all(device.tabs.map((tab) => tab.connected()));

  const { knowledgeRequest } = await ada.ask(bob, 'Which tab?');
  await ada.ask(bob, 'Both tabs?');
  for (const page of [one, two]) {
    await expect(toast(page, 'Which tab?')).toHaveCount(1);
    await expect(card(page, 'Which tab?')).toBeVisible();
    await expectUnread(page, 2, 'Inbox');
  }

  await t.test('an answer in one tab moves the card in the other', async () => {
    await answer(card(one, 'Which tab?'), 'Approve', 'This one.');
    await expect(card(two, 'Which tab?')).toHaveCount(0);
    await two.getByRole('link', { name: 'Approved' }).click();
    await expect(card(two, 'Which tab?')).toContainText('This one.');
    for (const page of [one, two]) await expectUnread(page, 1, 'Inbox');
    assert.equal((await ada.query('request', { id: knowledgeRequest.id })).responseContent, 'This one.');
  });

  await t.test('what is read in one tab is read in the other', async () => {
    await unread(two, 1).click();
    await two.getByRole('button', { name: 'Mark all as read' }).click();
    for (const page of [one, two]) await expectUnread(page, 0, 'Inbox');
  });
});

scenario('two devices of one person are in step', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const laptop = await openDevice(t, server, { person: bob, at: '/inbox' });
  const phone = await openDevice(t, server, { person: await bob.signInAgain(), at: '/inbox', size: 'phone' });
  await Promise.all([laptop, phone].map(({ tabs: [tab] }) => tab.connected()));
  await Promise.all([laptop, phone].map(({ tabs: [tab] }) => tab.joined(2)));

  await ada.ask(bob, 'Are you at your desk?');
  await ada.ask(bob, 'Or out?');
  for (const { page } of [laptop, phone]) await expectUnread(page, 2, 'Inbox');
  await card(phone.page, 'Are you at your desk?').getByRole('textbox', { name: 'Answer' }).fill('I was about to');
  await answer(card(laptop.page, 'Are you at your desk?'), 'Approve', 'I am.');

  await expect(card(phone.page, 'Are you at your desk?')).toContainText('You approved this');
  await expect(phone.page.getByText('This was answered on another device')).toBeVisible();
  await expect(phone.page.getByText('I was about to')).toBeVisible();
  await phone.page.getByRole('button', { name: 'Discard the text' }).click();
  await expect(card(phone.page, 'Are you at your desk?')).toHaveCount(0);
  await expectUnread(phone.page, 1, 'Inbox');

  await answer(card(phone.page, 'Or out?'), 'Deny');
  await expect(laptop.page.getByText('Nobody is waiting')).toBeVisible();
  await expectUnread(laptop.page, 0, 'Inbox');
});

scenario('what one person asks on one device is sent on the other', async (t) => {
  const server = await startServer(t);
  const ada = await Person.signUp(server, 'Ada');
  await Person.signUp(server, 'Bob');
  const laptop = await openDevice(t, server, { person: ada, at: '/ask' });
  const phone = await openDevice(t, server, { person: await ada.signInAgain(), at: '/sent', size: 'phone' });
  await phone.tabs[0].connected();
  await phone.tabs[0].joined(2); // Ada's own channel, and that of viewerActed
  await ask(laptop.page, 'Bob', 'Seen on both?');
  await expect(card(phone.page, 'Seen on both?')).toContainText('Waiting for Bob.');
});
