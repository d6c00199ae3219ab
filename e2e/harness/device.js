import { after } from 'node:test';

import { launchChromium } from './chromium.js';
import { contextOptions, Device } from './tab.js';
import { onEnd } from './teardown.js';

export { expect, gone } from './tab.js';

let browser; // one process for all tests of a file
after(async () => (await browser)?.close());

/**
 * openDevice opens a device until the test ends. It is signed in as `person` if there is one, and its first tab is at
 * the path `at`. `through` is a line to the server. `allowed` are the origins besides the server's that its pages may
 * reach. `prepare` is called with the tab before its first page. All other options are Playwright's, for its context.
 */
export async function openDevice(t, server, { person, at = '/', through, allowed = [], size = 'desktop', prepare, ...options } = {}) {
  browser ??= launchChromium();
  const context = await (await browser).newContext(contextOptions(size, options));
  const url = through ? `http://${through.host}:${through.port}` : server.url;
  const device = new Device(context, url, allowed);
  onEnd(t, () => device.close());
  if (person) await device.signIn(person);
  const { page } = await device.open();
  await prepare?.(page);
  if (at !== null) await page.goto(device.url + at);
  return device;
}
