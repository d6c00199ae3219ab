import assert from 'node:assert/strict';

import { openDevice, expect } from '../harness/device.js';
import { startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';
import { soon } from '../harness/wait.js';

// A forbidden action of a page must be noticed. Otherwise every other test could pass whatever the app does.
const misdeeds = {
  'an error on the console': [() => console.error('oh'), /console error: oh/],
  'a warning on the console': [() => console.warn('hm'), /console warning: hm/],
  'an error that nobody catches': [() => { setTimeout(() => { throw new Error('lost'); }); }, /uncaught: Error: lost/],
  'a promise that nobody catches': [() => { Promise.reject(new Error('broken')); }, /uncaught: Error: broken/],
  'a style in the page': [() => {
    document.head.append(Object.assign(document.createElement('style'), { textContent: 'a { color: red }' }));
  }, /policy: style-src-elem forbids inline/],
  'a style of an element': [() => document.body.setAttribute('style', 'color: red'), /policy: style-src-attr forbids inline/],
  'a script in the page': [() => {
    document.head.append(Object.assign(document.createElement('script'), { textContent: 'window.evil = true' }));
  }, /policy: script-src-elem forbids inline/],
  'a request to elsewhere': [() => { fetch('https://example.com/').catch(() => {}); }, /policy: connect-src forbids https:\/\/example.com/],
  'an answer of 404': [() => { fetch('/assets/nothing.js'); }, /response: 404 .*nothing\.js/],
  'a navigation to elsewhere': [() => { location.href = 'http://elsewhere.example/'; }, /it leaves the server: http:\/\/elsewhere.example/],
};

scenario('whatever a page must not do fails its test', async (t) => {
  const server = await startServer(t);
  const device = await openDevice(t, server, { at: '/sign-in' });
  await expect(device.page.getByRole('heading', { name: 'Sign in' })).toBeVisible();
  assert.deepEqual(device.complaints, []);

  for (const [what, [misdeed, complaint]] of Object.entries(misdeeds)) {
    await t.test(what, async () => {
      await device.page.evaluate(misdeed);
      await soon(() => device.complaints.some((each) => complaint.test(each)), `${complaint}`);
    });
  }
  await t.test('a request that fails', () => soon(
    () => device.complaints.some((each) => /request failed: net::ERR_NAME_NOT_RESOLVED http:\/\/elsewhere.example/.test(each)),
    'the navigation to elsewhere has failed',
  ));
  device.expected.push(/ oh /, /lost/);
  await assert.rejects(device.close(), ({ message, actual }) => /the page complains/.test(message) && !/ oh |lost/.test(actual.join()));
  device.expected.push(/./);
});
