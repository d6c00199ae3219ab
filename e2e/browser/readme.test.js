import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { expect, openDevice } from '../harness/device.js';
import { scenario } from '../harness/setups.js';
import { onEnd } from '../harness/teardown.js';
import { startDemo } from './pages.js';
import { answer, card, goTo, send, signIn, toast } from './steps.js';

const root = (name) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const readme = await readFile(root('README.md'), 'utf8');
const tour = readme.slice(readme.indexOf('\n## A tour\n'), readme.indexOf('\n## The same from a terminal\n'));

/** textBetween returns the text of the tour between these two. */
function textBetween(before, after) {
  const [, between] = tour.match(new RegExp(`${before}(.+?)${after}`, 's')) ?? assert.fail(`the tour has no "${before}…${after}"`);
  return between;
}

scenario('the README\'s tour of the app is correct', async (t) => {
  const demo = await startDemo();
  onEnd(t, demo.stop);
  const password = textBetween('`ada@example.com`, `', '`');
  const item = textBetween('\\*Ask\\* beside \\*', '\\*');
  const [ada, bob] = await Promise.all(['ada', 'bob'].map(async (name) => {
    const device = await openDevice(t, demo.server);
    assert.ok(tour.includes(`\`${name}@example.com\``), tour);
    await signIn(device.page, { email: `${name}@example.com`, password });
    await device.tabs[0].connected();
    return device.page;
  }));

  await bob.getByRole('link', { name: `for “${item}”` }).click();
  await bob.getByLabel('Your question').fill('Where is the good camera?');
  await send(bob);
  await toast(ada, 'Where is the good camera?').getByRole('link').click();
  await answer(ada.getByRole('article'), 'Approve', 'In Birch.');
  await expect(card(bob, 'Where is the good camera?')).toContainText('In Birch.');
  await goTo(bob, 'Library');
  await bob.getByRole('link', { name: `Read “${item}”` }).click();
  await expect(bob.getByText('Shared with you')).toBeVisible();
});

scenario('the pictures that the README shows are there', async () => {
  const pictures = [...readme.matchAll(/!\[[^\]]+\]\(([^)]+)\)/g)].map(([, file]) => file);
  assert.ok(pictures.length >= 2, `${pictures}`);
  await Promise.all(pictures.map((file) => access(root(file))));
});
