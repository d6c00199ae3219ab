// Takes bin/screenshots/<page>-<light|dark>-<desktop|phone>.png: every page of the app with the data of -demo. It also
// replaces those that are in docs/screenshots.
//
//     node screenshots.js            # all of them
//     node screenshots.js inbox bell # only these pages
import { copyFile, mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { pages, show, startDemo } from './browser/pages.js';
import { launchChromium } from './harness/chromium.js';
import { contextOptions, Device } from './harness/tab.js';

const folder = fileURLToPath(new URL('../bin/screenshots/', import.meta.url));
const shown = fileURLToPath(new URL('../docs/screenshots/', import.meta.url));

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in pages));
if (unknown.length > 0) throw new Error(`no such pages: ${unknown}; there are ${Object.keys(pages)}`);

/** take takes the picture of one page. */
async function take(browser, demo, state, size, colorScheme, file) {
  const device = new Device(await browser.newContext(contextOptions(size, { colorScheme })), demo.server.url, []);
  try {
    if (state.who) await device.signIn({ token: demo.tokens[state.who] });
    const tab = await device.open();
    await show(tab, demo, state);
    await tab.page.mouse.move(0, 0);
    await tab.page.screenshot({ path: path.join(folder, file), animations: 'disabled', caret: 'hide' });
  } catch (error) {
    throw new Error(`${file}: ${error.message}`, { cause: error });
  } finally {
    await device.close();
  }
}

/**
 * series takes the pictures of all pages. It uses a server of its own, because showing a page marks things as read.
 */
async function series(browser, size, colorScheme) {
  const demo = await startDemo();
  try {
    for (const [name, state] of Object.entries(pages)) {
      if (wanted.length > 0 && !wanted.includes(name)) continue;
      await take(browser, demo, state, size, colorScheme, `${name}-${colorScheme}-${size}.png`);
    }
  } finally {
    await demo.stop();
  }
}

await mkdir(folder, { recursive: true });
if (wanted.length === 0) { // remove the pictures of pages that no longer exist
  for (const file of await readdir(folder)) if (file.endsWith('.png')) await rm(path.join(folder, file));
}
const browser = await launchChromium();
try {
  for (const size of ['desktop', 'phone']) {
    await Promise.all(['light', 'dark'].map((colorScheme) => series(browser, size, colorScheme)));
  }
} finally {
  await browser.close();
}
const taken = await readdir(folder);
for (const file of await readdir(shown)) {
  if (taken.includes(file)) await copyFile(path.join(folder, file), path.join(shown, file));
  else if (wanted.length === 0) throw new Error(`docs/screenshots/${file} is of no page: there are ${Object.keys(pages)}`);
}
