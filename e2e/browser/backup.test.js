import assert from 'node:assert/strict';
import { copyFile } from 'node:fs/promises';
import path from 'node:path';

import { expect, gone, openDevice } from '../harness/device.js';
import { signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { inBothSetups, scenario } from '../harness/setups.js';
import { listen, subscribe } from '../harness/subscription.js';
import { answer, card, toast } from './steps.js';

// A restored database does not know what came after the backup. Open pages and other clients do: they have seen ids that
// the server may give again.

/** Complaints of a page that asks for a channel which the server no longer knows. */
const forgotten = /(pusher|subscriptions)\/auth|status of 40[134]/;

// The Pusher that pages may connect to, if it is not the server's own.
const pusherOf = ({ env }) => (env.PUSHER_HOST ? [`http://${env.PUSHER_HOST}`] : []);

const file = (server, name) => path.join(server.folder, name);

/** backUp copies the database while the server is stopped. */
async function backUp(server) {
  await server.stop();
  await copyFile(file(server, 'lorebridge.db'), file(server, 'backup.db'));
  await server.start();
}

/** restore puts the copy back. A stopped server leaves nothing beside its database. */
async function restore(server) {
  await server.stop();
  await copyFile(file(server, 'backup.db'), file(server, 'lorebridge.db'));
  await server.start();
}

async function openInbox(t, server, person) {
  const device = await openDevice(t, server, { person, at: '/inbox', allowed: pusherOf(server) });
  device.expected.push(gone, forgotten);
  await device.tabs[0].connected();
  return device;
}

/**
 * during does something while the server is stopped. It returns when the tabs have joined their person's channel and
 * that of their subscription again. Sockets to a separate Pusher outlive the stop.
 */
async function during(action, server, ...devices) {
  const tabs = devices.map((device) => device.tabs[0]);
  const sockets = tabs.map((tab) => tab.sockets.length + (server.env.PUSHER_HOST ? 0 : 1));
  await action(server);
  await Promise.all(tabs.map(async (tab, i) => {
    await tab.until(() => tab.sockets.length >= sockets[i], 'it connects again');
    await tab.connected();
    await tab.joined(2);
  }));
}

inBothSetups('a backup is put back: the next events reach the tab that stayed open', async (t, start) => {
  const server = await start(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const device = await openInbox(t, server, bob);
  const { page } = device;
  await during(backUp, server, device);
  for (const question of ['First after the backup?', 'Second after the backup?']) {
    await ada.ask(bob, question);
    await expect(toast(page, question)).toBeVisible();
  }

  await during(restore, server, device);
  for (const question of ['First after the restore?', 'Second after the restore?']) {
    await ada.ask(bob, question);
    await expect(toast(page, question)).toHaveCount(1); // a page shows up to four
    await expect(card(page, question)).toHaveCount(1);
  }
});

// With a separate Pusher nobody notices that a channel belongs to a subscription which the server no longer knows.
scenario('a backup is put back: a tab from after it is in step with the other device again', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const again = await bob.signInAgain();
  const laptop = await openInbox(t, server, bob);
  await during(backUp, server, laptop);
  const phone = await openInbox(t, server, again);
  await phone.tabs[0].joined(2);
  await during(restore, server, laptop, phone);

  await ada.ask(bob, 'Are you at your desk?');
  await expect(card(phone.page, 'Are you at your desk?')).toHaveCount(1);
  await answer(card(laptop.page, 'Are you at your desk?'), 'Approve', 'I am.');
  await expect(card(phone.page, 'Are you at your desk?')).toHaveCount(0);
});

/** subscribeBare listens to the requests to a person, with pusher-js alone. */
async function subscribeBare(t, person) {
  const { channel } = await subscribe(person, 'subscription { knowledgeRequestReceived { question } }');
  return listen(t, person, channel);
}

const questionOf = ({ data }) => data.result?.data?.knowledgeRequestReceived?.question;
const isGap = ({ data }) => data.result?.errors?.[0].extensions.code === 'SUBSCRIPTION_GAP';
const isEnd = ({ data }) => data.more === false;

inBothSetups('a backup is put back: a subscription from before it goes on, and repeats no seq', async (t, start) => {
  const server = await start(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const subscription = await subscribeBare(t, bob);
  await ada.ask(bob, 'Before the backup?');
  await subscription.received(1);

  await backUp(server);
  await subscription.until(({ channel }) => channel.subscribed, 'it is joined again');
  await ada.ask(bob, 'After the backup?');
  const arrivedBefore = ({ events }) => events.some((e) => questionOf(e) === 'After the backup?');
  await subscription.until(arrivedBefore, 'the result arrives');
  const before = subscription.events.length;

  await restore(server);
  await ada.ask(bob, 'After the restore?');
  const next = () => subscription.events.slice(before);
  const arrived = () => next().some((e) => questionOf(e) === 'After the restore?' || isGap(e) || isEnd(e));
  await subscription.until(arrived, 'the result, a gap or the end arrives');
  const seqOf = ({ data }) => data.result.extensions.subscription.seq;
  const had = new Set(subscription.events.slice(0, before).map(seqOf));
  const result = next().find((e) => questionOf(e) === 'After the restore?');
  if (result) assert.ok(!had.has(seqOf(result)), 'a client would drop it: it has had this seq');
});

// With the server's own Pusher the client asks for the channel again. It gets an error because the server does not know
// the channel.
scenario('a backup is put back: a subscription from after it gets a gap, its end or a 403', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  await backUp(server);
  const subscription = await subscribeBare(t, bob);
  await ada.ask(bob, 'After the backup?');
  await subscription.received(1);

  await restore(server);
  await ada.ask(bob, 'After the restore?');
  const learned = ({ events, rejection }) => rejection?.status === 403 || events.some((e) => isGap(e) || isEnd(e));
  await subscription.until(learned, 'the client learns that it must subscribe anew');
});
