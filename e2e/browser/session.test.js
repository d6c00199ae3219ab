import assert from 'node:assert/strict';

import { expect, gone, openDevice } from '../harness/device.js';
import { Person, signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';
import { ask, card, expectUnread, goTo, signIn, signOut, signUp, toast } from './steps.js';

const atSignIn = (page) => expect(page.getByRole('heading', { level: 1, name: 'Sign in' })).toBeVisible();
const atLibrary = (page) => expect(page.getByRole('heading', { level: 1, name: 'Library' })).toBeVisible();

scenario('two people begin at the very start, and one asks the other', async (t) => {
  const server = await startServer(t);
  const [adas, bobs] = await Promise.all([openDevice(t, server), openDevice(t, server, { at: '/sign-up' })]);
  await expect(adas.page).toHaveURL(/\/sign-in$/);
  await adas.page.getByRole('link', { name: 'Create an account' }).click();
  await signUp(adas.page, { name: 'Ada', email: 'ada@example.com' });
  await signUp(bobs.page, { name: 'Bob', email: 'bob@example.com' });
  await adas.tabs[0].connected();
  await ask(bobs.page, 'Ada', 'Is this on?');
  await expect(toast(adas.page, 'Bob asks you')).toContainText('Is this on?');
});

scenario('signing out releases everything, and the other tab goes to the page to sign in', async (t) => {
  const server = await startServer(t);
  const [ada] = await signUpAll(server, 'Ada');
  const device = await openDevice(t, server, { person: ada, at: '/library' });
  const [tab, other] = [device.tabs[0], await device.tab('/inbox')];
  await Promise.all([tab.connected(), other.connected()]);

  await signOut(tab.page);
  await atSignIn(other.page);
  for (const each of device.tabs) {
    const { page, sockets } = each;
    await each.until(() => sockets.length === 1 && sockets[0].closed, 'the only socket is closed');
    await expect(page).toHaveTitle('Sign in · Lorebridge');
    assert.equal(await page.evaluate(() => document.body.innerText.includes('Ada')), false);
  }
  const { cookies } = await device.context.storageState();
  assert.deepEqual(cookies.filter(({ name, value }) => name.includes('lorebridge') && value), []);
});

scenario('who signs in after somebody else sees nothing of them', async (t) => {
  const server = await startServer(t);
  const [ada, bob, cleo] = await signUpAll(server, 'Ada', 'Bob', 'Cleo');
  await ada.createKnowledge('Ada\'s ladder', 'Behind the shed.');
  await cleo.ask(ada, 'A question of Cleo\'s to Ada?');
  const device = await openDevice(t, server, { person: ada, at: '/inbox' });
  const { page, tabs: [tab] } = device;
  await tab.connected();
  await expectUnread(page, 1, 'Inbox');
  await card(page, 'A question of Cleo').getByRole('textbox', { name: 'Answer' }).fill('Words that were not sent');
  await goTo(page, 'Library');
  await page.getByRole('tab', { name: 'Mine' }).click();
  await expect(page.getByRole('link', { name: 'Ada\'s ladder', exact: true })).toBeVisible();

  await signOut(page);
  await signIn(page, bob);
  await atLibrary(page);
  await tab.connected();
  await expect(page.getByRole('button', { name: 'Account of Bob' })).toBeVisible();
  await expectUnread(page, 0, 'Library');
  await page.getByRole('tab', { name: 'Mine' }).click();
  await expect(page.getByText('You have not added anything yet')).toBeVisible();
  await goTo(page, 'Inbox');
  await expect(page.getByText('Nobody is waiting')).toBeVisible();
  await page.goBack();
  await page.goBack();
  await page.goBack();
  const text = await page.evaluate(() => document.body.innerText);
  assert.doesNotMatch(text, /Account of Ada|A question of Cleo|Words that were not sent/);

  await cleo.ask(ada, 'Another one to Ada?');
  await cleo.ask(bob, 'One to Bob?');
  await expect(toast(page, 'One to Bob?')).toBeVisible();
  await expect(toast(page, 'Another one to Ada?')).toHaveCount(0);

  // Cleo sees the request that Ada was answering.
  await signOut(page);
  await expect(page.getByText('One to Bob?')).toHaveCount(0);
  await signIn(page, cleo);
  await atLibrary(page);
  await goTo(page, 'Sent');
  await expect(card(page, 'A question of Cleo')).toContainText('Waiting for Ada.');
  await expect(page.getByText('Words that were not sent')).toHaveCount(0);
  await expect(page.getByText('One to Bob?')).toHaveCount(1); // only her own card, and no toast of Bob's
});

scenario('a response that arrives after signing out does not reach the next person', async (t) => {
  const server = await startServer(t);
  const [ada, bob, cleo] = await signUpAll(server, 'Ada', 'Bob', 'Cleo');
  const device = await openDevice(t, server, { person: ada, at: '/inbox' });
  const { page, tabs: [tab] } = device;
  await tab.connected();
  let letGo;
  const held = new Promise((resolve) => { letGo = resolve; });
  await page.route('**/graphql', async (route) => {
    if (!route.request().postData().includes('EventRequest')) return route.continue();
    const response = await route.fetch(); // still with Ada's session
    await held;
    return route.fulfill({ response }).catch(() => {}); // the page may be closed
  });
  await bob.ask(ada, 'Between Bob and Ada?');
  await expect(toast(page, 'Between Bob and Ada?')).toBeVisible();
  await signOut(page);
  await signIn(page, cleo);
  await atLibrary(page);
  await tab.connected();
  letGo();
  await bob.ask(cleo, 'Between Bob and Cleo?');
  await goTo(page, 'Inbox');
  await expect(card(page, 'Between Bob and Cleo?')).toBeVisible();
  await expectUnread(page, 1, 'Inbox');
  await expect(page.getByText('Between Bob and Ada?')).toHaveCount(0);
});

scenario('who signs in as somebody else in one tab is somebody else in the other', async (t) => {
  const server = await startServer(t);
  const [ada, bob, cleo] = await signUpAll(server, 'Ada', 'Bob', 'Cleo');
  await cleo.ask(ada, 'Between Cleo and Ada?');
  const device = await openDevice(t, server, { person: ada, at: '/inbox' });
  const [tab, other] = [device.tabs[0], await device.tab('/inbox')];
  await other.connected();
  await signOut(tab.page);
  await atSignIn(other.page);
  await signIn(tab.page, bob);
  await expect(tab.page.getByRole('button', { name: 'Account of Bob' })).toBeVisible();
  for (const { page } of device.tabs) await expect(page.getByRole('button', { name: 'Account of Bob' })).toBeVisible();
  await expect(other.page.getByText('Between Cleo and Ada?')).toHaveCount(0);
});

scenario('a session that ends elsewhere ends on the page, too', async (t) => {
  const server = await startServer(t);
  const [ada] = await signUpAll(server, 'Ada');
  const device = await openDevice(t, server, { person: ada, at: '/library' });
  await device.tabs[0].connected();
  await ada.signOut(); // the same session, by another program
  await atSignIn(device.page);
  await expect(device.page.getByText('Your session has ended.')).toBeVisible();
  await signIn(device.page, ada);
  await atLibrary(device.page);
  await device.tabs[0].connected();
});

scenario('a link leads through the page to sign in to where it points', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const { knowledgeRequest: { id } } = await ada.ask(bob, 'Did the link work?');
  const { page } = await openDevice(t, server, { at: `/requests/${id}` });
  await atSignIn(page);
  await signIn(page, bob);
  await expect(page.getByRole('heading', { level: 1, name: 'Ada asks you' })).toBeVisible();
  await expect(page).toHaveURL(new RegExp(`/requests/${id}$`));
  await expect(page.getByText('Did the link work?')).toBeVisible();
});

scenario('a wrong password and a taken address are explained', async (t) => {
  const server = await startServer(t);
  const ada = await Person.signUp(server, 'Ada');
  const { page } = await openDevice(t, server, { at: '/sign-in' });
  await signIn(page, { email: ada.email, password: 'wrong horse' });
  await expect(page.getByRole('alert')).toContainText(/password/i);
  await expect(page.getByLabel('E-mail')).toHaveValue(ada.email);

  await page.getByRole('link', { name: 'Create an account' }).click();
  await page.getByLabel('Name').fill('Another Ada');
  await page.getByLabel('E-mail').fill(ada.email);
  await page.getByLabel('Password', { exact: true }).fill('correct horse');
  await page.getByRole('button', { name: 'Create an account' }).click();
  await expect(page.getByLabel('E-mail')).toHaveAttribute('aria-invalid', 'true');
  await expect(page.getByText(/is taken/i)).toBeVisible();
  await page.getByRole('link', { name: 'Sign in' }).click();
  await signIn(page, ada);
  await atLibrary(page);
});

scenario('when the server is started again the page comes back by itself, with what came meanwhile', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  const device = await openDevice(t, server, { person: bob, at: '/inbox', prepare: (page) => page.clock.install() });
  const { page, tabs: [tab] } = device;
  await tab.connected();
  device.expected.push(gone);
  await server.stop();
  await expect(page.getByRole('status', { name: 'Live connection: connected' })).toBeHidden();
  await server.start();
  await ada.ask(bob, 'Were you away?');
  await page.clock.fastForward(15_000); // as long as pusher-js may wait before it tries again
  await tab.connected();
  await expect(card(page, 'Were you away?')).toHaveCount(1);
  await expect(toast(page, 'Were you away?')).toHaveCount(1);
  await expectUnread(page, 1, 'Inbox');
  await ada.ask(bob, 'And now?');
  await expect(card(page, 'And now?')).toHaveCount(1);
  await expect(page.getByRole('article')).toHaveCount(2);
  await expectUnread(page, 2, 'Inbox');
});
