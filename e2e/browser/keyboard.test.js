import assert from 'node:assert/strict';

import { expect, openDevice } from '../harness/device.js';
import { signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';

/** Keyboard is a person without a mouse: they reach everything by Tab, and see where the focus is. */
class Keyboard {
  constructor(page) {
    this.page = page;
  }

  press(...keys) {
    return keys.reduce((before, key) => before.then(() => this.page.keyboard.press(key)), Promise.resolve());
  }

  type(text) {
    return this.page.keyboard.type(text);
  }

  /** to presses Tab until the focus is at the locator. It fails after `most` steps. */
  async to(locator, { key = 'Tab', most = 25 } = {}) {
    await expect(locator).toBeVisible();
    for (let steps = 0; steps <= most; steps += 1) {
      if (await locator.evaluate((element) => element === document.activeElement)) return this.#seesWhere();
      await this.press(key);
    }
    throw new Error(`${locator} is more than ${most} times ${key} away; the focus is at ${await this.where()}`);
  }

  /** at checks that the focus is already there. */
  at(locator) {
    return expect(locator).toBeFocused();
  }

  where() {
    return this.page.evaluate(() => document.activeElement.outerHTML.slice(0, 200));
  }

  /** #seesWhere checks that the focus is visible: by an outline, a shadow, or the border of a field. */
  async #seesWhere() {
    const shows = () => this.page.evaluate(() => {
      const element = document.activeElement;
      const around = [element, element.parentElement, element.closest('[data-variant]'), element.closest('li')].filter(Boolean);
      const isRing = ({ outlineStyle, outlineWidth, boxShadow }) => (
        (outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1) || (boxShadow !== 'none' && element.matches(':focus-visible'))
      );
      const isField = element.matches('input, textarea');
      const rest = isField && document.querySelector('input:not(:focus), textarea:not(:focus)');
      const border = (each) => getComputedStyle(each).borderTopColor;
      return around.some((each) => isRing(getComputedStyle(each)) || isRing(getComputedStyle(each, '::after')))
        || (isField && around.some((each) => each.matches('[data-variant], input, textarea') && (!rest || border(each) !== border(rest))));
    });
    await expect.poll(shows, `the focus can be seen at ${await this.where()}`).toBe(true);
  }
}

scenario('a whole exchange by keyboard alone', async (t) => {
  const server = await startServer(t);
  const adas = await openDevice(t, server);
  const bobs = await openDevice(t, server);
  const [a, b] = [adas.page, bobs.page];
  const [ada, bob] = [new Keyboard(a), new Keyboard(b)];
  const heading = (page, name) => page.getByRole('heading', { level: 1, name });

  for (const [name, keyboard, page] of [['Ada', ada, a], ['Bob', bob, b]]) {
    await t.test(`${name} signs up`, async () => {
      await keyboard.to(page.getByRole('link', { name: 'Create an account' }));
      await keyboard.press('Enter');
      await keyboard.to(page.getByLabel('Name'));
      await keyboard.type(name);
      await keyboard.to(page.getByLabel('E-mail'), { most: 1 });
      await keyboard.type(`${name.toLowerCase()}@example.com`);
      await keyboard.to(page.getByLabel('Password', { exact: true }), { most: 1 });
      await keyboard.type('correct horse');
      await keyboard.press('Enter');
      await expect(heading(page, 'Library')).toBeVisible();
    });
  }

  await t.test('the first Tab of a page offers to skip to its content', async () => {
    await b.goto(`${server.url}/library?view=mine`);
    await expect(heading(b, 'Library')).toBeVisible();
    await bob.press('Tab');
    const skip = b.getByRole('link', { name: 'Skip to the content' });
    await bob.at(skip);
    await expect(skip).toBeInViewport();
    await bob.press('Enter');
    await bob.at(b.getByRole('main'));
    await bob.to(b.getByRole('link', { name: 'Add what you know' }).first(), { most: 1 });
  });

  await t.test('Bob adds an item', async () => {
    await bob.press('Enter');
    await bob.at(heading(b, 'Add what you know'));
    await bob.to(b.getByLabel('Title'), { most: 1 });
    await bob.type('Where the ladder is');
    await bob.to(b.getByLabel('Content'), { most: 1 });
    await bob.type('Behind the shed.');
    await bob.to(b.getByRole('button', { name: 'Add to the library' }), { most: 1 });
    await bob.press('Enter');
    await bob.at(heading(b, 'Where the ladder is'));
  });

  await t.test('Ada searches, and asks', async () => {
    await ada.to(a.getByRole('tab', { name: 'From others' }));
    await ada.press('ArrowRight');
    await ada.at(a.getByRole('tab', { name: 'Mine' }));
    await ada.press('ArrowLeft');
    await ada.to(a.getByRole('searchbox'), { most: 3 });
    await ada.type('ladder');
    await ada.to(a.getByRole('link', { name: 'Ask Bob for “Where the ladder is”' }), { most: 4 });
    await ada.press('Enter');
    await ada.at(heading(a, 'Ask'));
    await ada.to(a.getByLabel('Your question'), { most: 2 });
    await ada.type('I want to paint the hall.');
    await ada.press('Control+Enter');
    await ada.at(heading(a, 'Sent'));
  });

  await t.test('Bob opens the bell, and answers with a text', async () => {
    const bell = b.getByRole('button', { name: 'Notifications, 1 unread' });
    await bob.to(bell, { key: 'Shift+Tab' });
    await bob.press('Enter');
    const dialog = b.getByRole('dialog', { name: 'Notifications' });
    await expect(dialog).toBeVisible();
    await expect(b.locator('[role="dialog"]:focus, [role="dialog"] :focus')).toHaveCount(1); // Escape is the dialog's
    await bob.press('Escape');
    await expect(dialog).toBeHidden();
    await bob.at(bell);
    await bob.press('Space');
    await bob.to(dialog.getByRole('link', { name: /Ada asks you/ }), { most: 3 });
    await bob.press('Enter');
    await bob.at(heading(b, 'Ada asks you'));
    await bob.to(b.getByRole('textbox', { name: 'Answer' }), { most: 3 });
    await bob.type('Mind the third rung.');
    await bob.to(b.getByRole('button', { name: 'Approve' }), { most: 1 });
    await bob.press('Space');
    await bob.at(b.getByRole('heading', { level: 2, name: 'Answer' }));
    await expect(b.getByText('You approved this')).toBeVisible();
  });

  await t.test('Ada reads the answer, and the item', async () => {
    await expect(a.getByRole('article')).toContainText('Mind the third rung.');
    await ada.to(a.getByRole('link', { name: 'Read it: Where the ladder is' }));
    await ada.press('Enter');
    await ada.at(heading(a, 'Where the ladder is'));
    await expect(a.getByText('Behind the shed.')).toBeVisible();
  });

  await t.test('Ada puts a free question to Bob, and he denies it in his inbox', async () => {
    await ada.to(a.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Ask' }), { key: 'Shift+Tab' });
    await ada.press('Enter');
    await ada.at(heading(a, 'Ask'));
    await ada.to(a.getByRole('combobox', { name: 'Who may know?' }), { most: 1 });
    await ada.type('Bo');
    await expect(a.getByRole('option', { name: 'Bob' })).toBeVisible();
    await expect(a.getByRole('option')).toHaveCount(1);
    await ada.press('ArrowDown', 'Enter');
    await expect(a.getByRole('combobox')).toHaveValue('Bob');
    await ada.to(a.getByLabel('Your question'), { most: 1 });
    await ada.type('May I take your bicycle?');
    await ada.to(a.getByRole('button', { name: 'Send' }), { most: 1 });
    await ada.press('Enter');
    await ada.at(heading(a, 'Sent'));

    await bob.to(b.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Inbox' }), { key: 'Shift+Tab' });
    await bob.press('Enter');
    await bob.at(heading(b, 'Inbox'));
    await bob.to(b.getByRole('button', { name: 'Deny' }), { most: 12 });
    await bob.press('Enter');
    await bob.at(heading(b, 'Inbox')); // the card is gone, but the focus is not lost
    await expect(a.getByRole('article').filter({ hasText: 'bicycle' })).toContainText('Bob denied this');
  });

  await t.test('Bob edits his item, and deletes it', async () => {
    await bob.to(b.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Library' }), { key: 'Shift+Tab' });
    await bob.press('Enter');
    await bob.at(heading(b, 'Library'));
    await bob.to(b.getByRole('tab', { name: 'From others' }));
    await bob.press('ArrowRight');
    await bob.to(b.getByRole('link', { name: 'Edit “Where the ladder is”' }), { most: 5 });
    await bob.press('Enter');
    await bob.to(b.getByLabel('Content'), { most: 3 });
    await bob.press('Control+End');
    await bob.type(' Locked.');
    await bob.to(b.getByRole('button', { name: 'Save' }), { most: 1 });
    await bob.press('Enter');
    await bob.at(heading(b, 'Where the ladder is'));
    await expect(b.getByText('Behind the shed. Locked.')).toBeVisible();

    const remove = b.getByRole('button', { name: 'Delete' });
    await bob.to(remove, { most: 2 });
    await bob.press('Enter');
    await bob.at(b.getByRole('dialog').getByRole('button', { name: 'Keep it' }));
    await bob.press('Escape');
    await bob.at(remove);
    await bob.press('Enter');
    await bob.at(b.getByRole('dialog').getByRole('button', { name: 'Keep it' }));
    await bob.to(b.getByRole('dialog').getByRole('button', { name: 'Delete it' }), { most: 1 });
    await bob.press('Enter');
    await bob.at(heading(b, 'Library'));
    await expect(b.getByText('You have not added anything yet')).toBeVisible();
  });

  await t.test('Bob signs out', async () => {
    await bob.to(b.getByRole('button', { name: 'Account of Bob' }), { key: 'Shift+Tab' });
    await bob.press('Enter');
    await bob.to(b.getByRole('button', { name: 'Sign out' }), { most: 5 });
    await bob.press('Enter');
    await expect(heading(b, 'Sign in')).toBeVisible();
    await bob.to(b.getByLabel('E-mail'), { most: 2 });
  });
});

scenario('what has the focus is never below the header or the navigation of a phone', async (t) => {
  const server = await startServer(t);
  const [ada, bob] = await signUpAll(server, 'Ada', 'Bob');
  for (let i = 0; i < 8; i += 1) await bob.createKnowledge(`Title number ${i}`, 'x');
  const { page } = await openDevice(t, server, { person: ada, at: '/library', size: { width: 390, height: 600 } });
  const last = page.getByRole('link', { name: 'Ask Bob for “Title number 0”' });
  const keyboard = new Keyboard(page);
  for (const [target, key] of [[last, 'Tab'], [page.getByRole('searchbox'), 'Shift+Tab']]) {
    await keyboard.to(target, { key, most: 40 });
    const over = await page.evaluate(() => {
      const { left, top, width, height } = document.activeElement.getBoundingClientRect();
      const there = document.elementFromPoint(left + width / 2, top + height / 2);
      if (document.activeElement.contains(there) || there?.contains(document.activeElement)) return 'nothing';
      return there ? there.outerHTML.slice(0, 200) : `the edge of the screen: it is at ${top}`;
    });
    assert.equal(over, 'nothing', `what lies over ${await keyboard.where()}`);
  }
});
