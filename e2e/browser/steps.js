import { expect } from '../harness/tab.js';

// The steps of a person in the app, by its visible texts. Each takes a Playwright page.

/** goTo follows a link of the main navigation. */
export async function goTo(page, place) {
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: place }).click();
  await expect(page.getByRole('heading', { level: 1, name: place })).toBeVisible();
}

export async function signUp(page, { name, email, password = 'correct horse' }) {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Create an account' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Library' })).toBeVisible();
}

export async function signIn(page, { email, password = 'correct horse' }) {
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

export async function signOut(page) {
  await page.getByRole('button', { name: /^Account of/ }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByRole('heading', { level: 1, name: 'Sign in' })).toBeVisible();
}

/** writeQuestion fills the form for a free question without sending it. */
export async function writeQuestion(page, whom, question) {
  await goTo(page, 'Ask');
  await page.getByRole('combobox', { name: 'Who may know?' }).fill(whom);
  await page.getByRole('option', { name: whom }).click();
  await page.getByLabel('Your question').fill(question);
}

export const send = (page) => page.getByRole('button', { name: 'Send' }).click();

export async function ask(page, whom, question) {
  await writeQuestion(page, whom, question);
  await send(page);
  await expect(page.getByRole('heading', { level: 1, name: 'Sent' })).toBeVisible();
}

/** card returns the request with this text in a list. */
export const card = (page, text) => page.getByRole('article').filter({ hasText: text });

/** answer answers a request in a list or on its own page: with 'Approve' or 'Deny', and a text if there is one. */
export async function answer(request, verb, text) {
  if (text) await request.getByRole('textbox', { name: 'Answer' }).fill(text);
  await request.getByRole('button', { name: verb }).click();
}

/** toast returns the toast with this text. */
export const toast = (page, text) => page.getByRole('alert').filter({ hasText: text });

/** unread returns the bell if it shows this many unread notifications. */
export const unread = (page, count) => page.getByRole('button', { name: `Notifications, ${count || 'none'} unread`, exact: true });

/** expectUnread checks all places that show the unread count: the bell, its number and the document's title. */
export async function expectUnread(page, count, title) {
  await expect(unread(page, count)).toBeVisible();
  await expect(unread(page, count)).toHaveText(count ? `${count}` : '');
  await expect(page).toHaveTitle(`${count ? `(${count}) ` : ''}${title} · Lorebridge`);
}

/** writeInPlayground replaces the document in the playground's editor. */
export async function writeInPlayground(page, document) {
  await page.locator('.graphiql-query-editor .view-lines').first().click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(document);
}

/** writeBeside does the same with the variables or the headers, and waits until GraphiQL has noticed. */
export async function writeBeside(page, what, json) {
  await page.getByRole('button', { name: what, exact: true }).click();
  await page.locator('.graphiql-editor-tool .graphiql-editor:not(.hidden) .view-lines').click();
  await page.keyboard.press('Control+A');
  await page.keyboard.insertText(json || ' ');
}

/** runInPlayground runs a named operation when GraphiQL has read its name. */
export async function runInPlayground(page, document) {
  await writeInPlayground(page, document);
  const [, name] = document.split(' ');
  await page.getByRole('list', { name: 'Select active operation' }).getByText(name, { exact: true }).waitFor();
  await page.keyboard.press('Control+Enter');
}
