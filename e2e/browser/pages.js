import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import * as binaries from '../harness/binaries.js';
import { graphql } from '../harness/http.js';
import { Program } from '../harness/program.js';
import { expect } from '../harness/tab.js';
import { runInPlayground } from './steps.js';

const hour = 3_600_000;

const look = 'query Look { me { name email } knowledge(first: 3) { totalCount edges { node { title owner { name } } } } }';

const heading = (page, name) => expect(page.getByRole('heading', { level: 1, name })).toBeVisible();
const item = (title) => async (page) => {
  await page.getByRole('link', { name: title, exact: true }).click();
  await heading(page, title);
};

/**
 * pages are all pages of the app in all their states, with the data of -demo. `who` sees it, `at` is where they
 * begin, and `go` is what they do there. `now` is set for what has just happened, `opens` for overlays, and
 * `expected` are the complaints of the page meanwhile.
 */
export const pages = {
  'sign-in': { at: '/sign-in' },
  'sign-in-refused': {
    at: '/sign-in',
    async go(page) {
      await page.getByLabel('E-mail').fill('ada@example.com');
      await page.getByLabel('Password', { exact: true }).fill('not my password');
      await page.getByRole('button', { name: 'Sign in' }).click();
      await expect(page.getByRole('alert')).toBeVisible();
    },
  },
  'sign-up': { at: '/sign-up' },
  library: { who: 'ada', at: '/library' },
  'library-mine': { who: 'ada', at: '/library?view=mine' },
  'library-nothing-found': { who: 'ada', at: '/library?q=parking' },
  'item-own': { who: 'ada', at: '/library?view=mine', go: item('Resetting the office router') },
  'item-of-another': { who: 'ada', at: '/library', go: item('How to read the error dashboard') },
  'item-shared': { who: 'cleo', at: '/library', go: item('Release checklist') },
  'item-delete': {
    who: 'ada', at: '/library?view=mine',
    async go(page) {
      await item('Which meeting room suits what')(page);
      await page.getByRole('button', { name: 'Delete' }).click();
      await expect(page.getByRole('dialog')).toBeVisible();
    },
  },
  'item-gone': { who: 'ada', at: '/library/4294967999' },
  new: {
    who: 'ada', at: '/library/new',
    async go(page) {
      await page.getByLabel('Title').fill('Where the spare keys are');
      await page.getByLabel('Content').fill('In the tin behind the coffee machine.\nThe blue one is for the bicycle room.');
    },
  },
  edit: {
    who: 'bob', at: '/library?view=mine',
    async go(page) {
      await page.getByRole('link', { name: 'Edit “Release checklist”' }).click();
      await heading(page, 'Edit');
    },
  },
  ask: {
    who: 'ada', at: '/ask', opens: true,
    async go(page) {
      await page.getByRole('combobox', { name: 'Who may know?' }).click();
      await expect(page.getByRole('option', { name: 'Cleo Marsh' })).toBeVisible();
    },
  },
  'ask-refused': {
    who: 'ada', at: '/ask', opens: true,
    async go(page) {
      await page.getByRole('button', { name: 'Send' }).click();
      await expect(page.getByText('Choose whom to ask.')).toBeVisible();
    },
  },
  'ask-for-item': {
    who: 'ada', at: '/library',
    async go(page) {
      await page.getByRole('link', { name: 'Ask Bob Tanaka for “How to read the error dashboard”' }).click();
      await page.getByLabel('Your question').fill('I am on call next week for the first time, and would like to know what is normal.');
    },
  },
  'ask-already': {
    who: 'ada', at: '/ask',
    async go(page) {
      await page.getByRole('combobox', { name: 'Who may know?' }).fill('Bob');
      await page.getByRole('option', { name: 'Bob Tanaka' }).click();
      await page.getByLabel('Your question').fill('Is the test server supposed to be down on Thursday evenings?');
      await page.getByRole('button', { name: 'Send' }).click();
      await expect(page.getByText('You have asked this already')).toBeVisible();
    },
  },
  inbox: { who: 'ada', at: '/inbox' },
  'inbox-answering': {
    who: 'bob', at: '/inbox',
    go: (page) => page.getByRole('textbox', { name: 'Answer' }).fill('Yes: that is when the copy of the data is made. It is back by ten.'),
  },
  'inbox-all': { who: 'bob', at: '/inbox?status=all' },
  'inbox-empty': { who: 'cleo', at: '/inbox' },
  sent: { who: 'ada', at: '/sent' },
  'sent-empty': { who: 'cleo', at: '/sent?status=denied' },
  bell: {
    who: 'ada', at: '/library', opens: true,
    async go(page) {
      await page.getByRole('button', { name: /^Notifications/ }).click();
      await expect(page.getByRole('dialog', { name: 'Notifications' })).toBeVisible();
    },
  },
  account: {
    who: 'ada', at: '/library', opens: true,
    async go(page) {
      await page.getByRole('button', { name: /^Account of/ }).click();
      await expect(page.getByRole('button', { name: 'Sign out' })).toBeVisible();
    },
  },
  notifications: { who: 'ada', at: '/notifications' },
  'notifications-empty': { who: 'dora', at: '/notifications' },
  'library-mine-empty': { who: 'dora', at: '/library?view=mine' },
  request: {
    who: 'ada', at: '/inbox',
    go: (page) => page.getByRole('link', { name: /open this request/ }).click(),
  },
  'request-waiting': {
    who: 'bob', at: '/sent',
    go: (page) => page.getByRole('article').filter({ hasText: 'router' }).getByRole('link', { name: /open this request/ }).click(),
  },
  'request-approved': {
    who: 'cleo', at: '/sent',
    go: (page) => page.getByRole('article').filter({ hasText: 'Release checklist' }).getByRole('link', { name: /open this request/ }).click(),
  },
  'request-gone': { who: 'ada', at: '/requests/12884909999' },
  toast: {
    who: 'bob', at: '/inbox', now: true, opens: true,
    async go(page, { tokens, server }) {
      const people = (await graphql(server, '{ users(search: "Bob") { edges { node { id } } } }', { headers: as(tokens.cleo) })).json();
      const ownerId = people.data.users.edges[0].node.id;
      const mutation = 'mutation ($input: CreateKnowledgeRequestInput!) { createKnowledgeRequest(input: $input) { alreadyExists } }';
      const question = 'A new colleague asks where the old releases are kept. Do you know?';
      await graphql(server, mutation, { headers: as(tokens.cleo), variables: { input: { ownerId, question } } });
      await expect(page.getByRole('alert')).toBeVisible();
      await expect(page.getByRole('article')).toHaveCount(2);
    },
  },
  'live-blocked': {
    who: 'bob', at: '/inbox', expected: /policy: connect-src forbids/,
    async go(page) {
      await page.evaluate(() => {
        const blockedURI = `${location.origin.replace('http', 'ws')}/app/key`;
        const of = { disposition: 'enforce', effectiveDirective: 'connect-src', violatedDirective: 'connect-src', blockedURI };
        document.dispatchEvent(new SecurityPolicyViolationEvent('securitypolicyviolation', {
          ...of, documentURI: location.href, originalPolicy: '', statusCode: 0,
        }));
      });
      await expect(page.getByRole('button', { name: 'Reload the page' })).toBeVisible();
    },
  },
  'not-found': { who: 'ada', at: '/no/such/page' },
  playground: {
    who: 'ada', at: '/playground',
    async go(page) {
      await expect(page.getByText('Signed in as Ada Winter')).toBeVisible();
      await expect(page.locator('.graphiql-query-editor .view-lines')).toContainText('Welcome');
      await runInPlayground(page, look);
      await page.getByRole('button', { name: /^Prettify/ }).click();
      await page.locator('.graphiql-query-editor .view-lines').first().click();
      await page.keyboard.press('Control+Home');
      await expect(page.locator('.result-window')).toContainText('totalCount');
    },
  },
  'playground-signed-out': {
    at: '/playground',
    async go(page) {
      await page.getByRole('button', { name: 'Sign in' }).click();
      await expect(page.getByRole('dialog')).toBeVisible();
    },
  },
};

const as = (token) => ({ Authorization: `Bearer ${token}` });

/** startDemo runs a server with the data of -demo, and signs its people in. Dora is new. */
export async function startDemo() {
  const cwd = await mkdtemp(path.join(tmpdir(), 'lorebridge-screenshots-'));
  const program = new Program(binaries.lorebridge(), { args: ['-demo'], cwd, env: { LISTEN_ADDR: '127.0.0.1:0' } });
  const server = { url: await program.announced(/^Lorebridge is running at (\S+)$/) };
  const tokens = {};
  for (const who of ['ada', 'bob', 'cleo']) {
    const mutation = 'mutation ($input: SignInInput!) { signIn(input: $input) { token } }';
    const input = { email: `${who}@example.com`, password: 'lorebridge-demo', session: 'TOKEN' };
    tokens[who] = (await graphql(server, mutation, { variables: { input } })).json().data.signIn.token;
  }
  const mutation = 'mutation ($input: SignUpInput!) { signUp(input: $input) { token } }';
  const input = { name: 'Dora Klein', email: 'dora@example.com', password: 'lorebridge-demo', session: 'TOKEN' };
  tokens.dora = (await graphql(server, mutation, { variables: { input } })).json().data.signUp.token;
  const stop = async () => {
    await program.stop();
    await rm(cwd, { recursive: true });
  };
  return { server, tokens, stop };
}

/** show brings a tab to the state of a page, two and a half hours after the last event of the demo. */
export async function show(tab, demo, { who, at, go, now, expected = [] }) {
  const { page, device } = tab;
  device.expected.push(...[expected].flat());
  const isPlayground = at.startsWith('/playground');
  // The playground's editor does not work with a stopped clock.
  if (!now && !isPlayground) await page.clock.setFixedTime(Date.now() + 2.5 * hour);
  await page.goto(device.url + at);
  if (who && !isPlayground) await tab.connected();
  await expect(page.getByRole('status', { name: /^Loading/ })).toHaveCount(0);
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
  await go?.(page, demo);
  await expect(page.getByRole('status', { name: /^Loading/ })).toHaveCount(0);
}
