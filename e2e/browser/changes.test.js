import { expect, gone, openDevice } from '../harness/device.js';
import { signUpAll } from '../harness/person.js';
import { app, startPusher } from '../harness/pusher.js';
import { startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';
import { patience } from '../harness/wait.js';
import { card, toast } from './steps.js';

const masterKey = (byte) => Buffer.alloc(32, byte).toString('base64');
const encrypted = { PUSHER_ENCRYPTION_MASTER_KEY: masterKey(1) };
const otherApp = { PUSHER_APP_ID: 'other', PUSHER_KEY: 'other-key', PUSHER_SECRET: 'other-secret' };

/** Complaints of a page that still uses what the previous server gave it. */
const rejected = /pusher\/auth|status of 40[13]/;

/** openInbox opens Bob's inbox, live, in a page whose clock can be moved. */
async function openInbox(t, server, options) {
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const device = await openDevice(t, server, {
    person: bob, at: '/inbox', prepare: (page) => page.clock.install(), ...options,
  });
  device.expected.push(gone, rejected);
  const { page, tabs: [tab] } = device;
  await tab.connected();
  return { ada, bob, device, page, tab };
}

/** expectLive checks that a question appears, and that the next one arrives live, without a reload of the page. */
async function expectLive({ ada, bob, page }, name) {
  await ada.ask(bob, `The first after ${name}?`);
  await expect(async () => {
    await page.clock.fastForward(1_000); // as long as the page or pusher-js may wait before the next attempt
    await expect(card(page, `The first after ${name}?`)).toHaveCount(1, { timeout: 250 });
  }).toPass({ timeout: patience });
  await expect(page.getByRole('status', { name: 'Live connection: connected' })).toBeVisible();
  await ada.ask(bob, `The second after ${name}?`);
  await expect(toast(page, `The second after ${name}?`)).toBeVisible();
  await page.clock.fastForward(60_000); // the connection counts as stable by now, and earlier attempts no longer count
}

/** markPage sets a mark in the page that is gone after a reload. */
const markPage = (page) => page.evaluate(() => { window.isTheSame = true; });
const isTheSamePage = (page) => page.evaluate(() => window.isTheSame === true);

scenario('an open page goes on after each change of the embedded Pusher', async (t) => {
  const server = await startServer(t);
  const scene = await openInbox(t, server);
  await markPage(scene.page);
  const changes = {
    'another app': otherApp,
    'another key of the app': { ...otherApp, PUSHER_KEY: 'another-key' },
    'another secret': { ...otherApp, PUSHER_SECRET: 'another-secret' },
    'its own app': {},
    'encryption on': encrypted,
    'another master key': { PUSHER_ENCRYPTION_MASTER_KEY: masterKey(2) },
    'encryption off': {},
    'a namespace': { PUSHER_CHANNEL_NAMESPACE: 'shop' },
    'another namespace': { PUSHER_CHANNEL_NAMESPACE: 'bank' },
    'no namespace': {},
  };
  for (const [name, env] of Object.entries(changes)) {
    await t.test(name, async () => {
      await server.stop();
      await server.start(env);
      await expectLive(scene, name);
      expect(await isTheSamePage(scene.page)).toBe(true);
    });
  }
});

scenario('an open page goes on after each change of how the server uses another Pusher, which stays', async (t) => {
  const pusher = await startPusher(t);
  const outside = { ...app, PUSHER_HOST: pusher.address, PUSHER_SCHEME: 'http' };
  const server = await startServer(t, outside);
  const scene = await openInbox(t, server, { allowed: [`http://${pusher.address}`] });
  await markPage(scene.page);
  const changes = {
    'encryption on': encrypted,
    'another master key': { PUSHER_ENCRYPTION_MASTER_KEY: masterKey(2) },
    'encryption off': {},
    'a namespace': { PUSHER_CHANNEL_NAMESPACE: 'shop' },
    'no namespace': {},
  };
  for (const [name, env] of Object.entries(changes)) {
    await t.test(name, async () => {
      await server.stop();
      await server.start(env);
      await expectLive(scene, name);
      expect(await isTheSamePage(scene.page)).toBe(true);
    });
  }
  await t.test('encryption on, after a server that could not announce its stop', async () => {
    scene.device.expected.push(/ERR_CONTENT_LENGTH_MISMATCH|ERR_INCOMPLETE_CHUNKED_ENCODING/); // a response that was cut off
    await server.kill();
    await server.start(encrypted);
    await expectLive(scene, 'a crash');
    expect(await isTheSamePage(scene.page)).toBe(true);
  });
});

scenario('a page that may not connect to the new Pusher shows it, and works after a reload', async (t) => {
  const [before, after] = [await startPusher(t), await startPusher(t)];
  const at = ({ address }) => ({ ...app, PUSHER_HOST: address, PUSHER_SCHEME: 'http' });
  const server = await startServer(t, at(before));
  const allowed = [`http://${before.address}`, `http://${after.address}`];
  const scene = await openInbox(t, server, { allowed });
  const { ada, bob, device, page, tab } = scene;
  device.expected.push(/policy: connect-src forbids|Content Security Policy/);
  await ada.ask(bob, 'Is this answered?');
  await card(page, 'Is this answered?').getByRole('textbox', { name: 'Answer' }).fill('Words that were not sent');

  await server.stop();
  await server.start(at(after)); // the previous Pusher stays, and does not report the change
  const notice = page.getByRole('status', { name: 'Live updates' });
  await expect(notice).toContainText('Live updates have moved to another address');
  await expect(page.getByRole('status', { name: 'Live connection: unavailable' })).toBeVisible();
  const button = notice.getByRole('button', { name: 'Reload the page' });

  page.once('dialog', (dialog) => dialog.dismiss()); // the browser asks, because there is unsent text
  await button.click();
  await expect(page.getByRole('textbox', { name: 'Answer' })).toHaveValue('Words that were not sent');
  await page.getByRole('textbox', { name: 'Answer' }).fill('');
  await button.click();
  await tab.connected();
  await expect(notice).toBeEmpty();
  await expectLive(scene, 'it was loaded anew');
});

scenario('a page that cannot be live shows it, polls meanwhile, and is live again after a click', async (t) => {
  const server = await startServer(t);
  const { ada, bob, page, tab } = await openInbox(t, server);
  await page.evaluate(() => document.addEventListener('click', () => { window.hasClicked = true; }, true));
  await page.route('**/pusher/auth', async (route) => { // so that it does not come back by itself, but only after a click
    if (await page.evaluate(() => window.hasClicked)) await route.continue();
    else await route.fulfill({ status: 403, json: { error: 'not now' } });
  });
  await server.stop();
  await server.start();
  const notice = page.getByRole('status', { name: 'Live updates' });
  await expect(page.getByRole('status', { name: 'Live connection: unavailable' })).toBeVisible();
  await page.clock.fastForward(20_000);
  await expect(notice).toContainText('Live updates are off.');
  await ada.ask(bob, 'Do you see this without a connection?');
  await page.clock.fastForward(60_000);
  await expect(card(page, 'Do you see this without a connection?')).toHaveCount(1);
  await notice.getByRole('button', { name: 'Try again' }).click();
  await tab.connected();
  await expect(notice).toBeEmpty();
  await ada.ask(bob, 'And this with one?');
  await expect(toast(page, 'And this with one?')).toBeVisible();
});

scenario('events from while the page was not live are shown when it is, even if it has read them before', async (t) => {
  const server = await startServer(t);
  const { ada, bob, page, tab } = await openInbox(t, server);
  let isRefused = true;
  await page.route('**/pusher/auth', (route) => (
    isRefused ? route.fulfill({ status: 403, json: { error: 'not now' } }) : route.continue()));
  await server.stop();
  await server.start();
  await expect(page.getByRole('status', { name: 'Live connection: unavailable' })).toBeVisible();
  await ada.ask(bob, 'Who reads this first?');
  await leaveAndReturn(page);
  await expect(card(page, 'Who reads this first?')).toHaveCount(1);
  await expect(toast(page, 'Who reads this first?')).toHaveCount(0);

  isRefused = false;
  await leaveAndReturn(page);
  await tab.connected();
  await expect(toast(page, 'Who reads this first?')).toBeVisible();
});

/** leaveAndReturn shows another tab for so long that the page reads everything again. */
async function leaveAndReturn(page) {
  const show = (state) => page.evaluate((value) => {
    Object.defineProperty(document, 'visibilityState', { value, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  }, state);
  await show('hidden');
  await page.clock.fastForward(16_000);
  await show('visible');
}
