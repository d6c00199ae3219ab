import { AxeBuilder } from '@axe-core/playwright';
import assert from 'node:assert/strict';

import { expect, openDevice } from '../harness/device.js';
import { scenario } from '../harness/setups.js';
import { onEnd } from '../harness/teardown.js';
import { pages, show, startDemo } from './pages.js';

// Findings of axe inside GraphiQL and its editor, which we cannot fix.
const notOurs = [
  '.dimmed-line-number', // Monaco greys the number of an empty last line, which nobody needs to read
];

const grave = ['serious', 'critical'];

/** check runs axe on a page, and returns the serious findings. */
async function check(t, page, only) {
  const axe = new AxeBuilder({ page }).setLegacyMode(); // there are no frames
  if (only) axe.withRules(only);
  for (const selector of notOurs) axe.exclude(selector);
  const { violations } = await axe.analyze();
  const findings = violations.map(({ id, impact, nodes }) => ({
    id, impact, nodes: nodes.map(({ target, any }) => `${target.join(' ')}: ${any.map(({ message }) => message)}`),
  }));
  for (const { id, impact, nodes } of findings) if (!grave.includes(impact)) t.diagnostic(`${impact}: ${id}: ${nodes.join('; ')}`);
  return findings.filter(({ impact }) => grave.includes(impact));
}

// Light and dark differ in colours only, desktop and phone in widths and targets only. So one visit checks all of them.
scenario('on every page axe finds nothing serious, light and dark, and nothing is wider than a narrow phone', async (t) => {
  const demo = await startDemo();
  onEnd(t, demo.stop);
  const devices = {};
  for (const [name, state] of Object.entries(pages)) {
    await t.test(name, async () => {
      const person = state.who && { token: demo.tokens[state.who] };
      const shared = state.at.startsWith('/playground') ? name : state.who; // a stopped clock stops for all pages of the context
      const device = devices[shared] ??= await openDevice(t, demo.server, { person, at: null });
      const [tab] = device.tabs;
      const { page } = tab;
      await page.emulateMedia({ colorScheme: 'light' });
      await page.setViewportSize({ width: 1280, height: 800 });
      await show(tab, demo, state);
      assert.deepEqual(await check(t, page), [], 'light, on a desk');
      await page.emulateMedia({ colorScheme: 'dark' });
      await page.setViewportSize({ width: 360, height: 740 });
      // Floating elements are placed again a moment later.
      const tooWide = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      await expect.poll(tooWide, 'px too wide').toBeLessThanOrEqual(0);
      // An overlay may cover elements below it until it is closed.
      const differing = state.opens ? ['color-contrast'] : ['color-contrast', 'target-size'];
      assert.deepEqual(await check(t, page, differing), [], 'dark, on a phone');
    });
  }
});
