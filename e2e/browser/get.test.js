import assert from 'node:assert/strict';
import http from 'node:http';

import { openDevice } from '../harness/device.js';
import { signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';
import { onEnd } from '../harness/teardown.js';

// Queries by GET in a browser: the page decides whether the cookie counts.

const query = '/graphql?query={me{name}}';

/** neighbor opens a page of another origin of the same site. Browsers send our cookie with its requests. */
async function neighbor(t) {
  const page = http.createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<title>neighbor</title>'));
  await new Promise((resolve) => page.listen(0, '127.0.0.1', resolve));
  onEnd(t, () => new Promise((resolve) => page.close(resolve).closeAllConnections() ?? resolve()));
  return `http://127.0.0.1:${page.address().port}`;
}

scenario('a cookie counts for a query by GET only where our own page asks, or a preflight was answered', async (t) => {
  const friend = await neighbor(t);
  const server = await startServer(t, { CORS_ORIGINS: friend });
  const [ada] = await signUpAll(server, 'Ada');
  const device = await openDevice(t, server, { person: ada, allowed: [friend] });
  device.expected = [/favicon\.ico/]; // browsers request it for a page that is not HTML
  const { page } = device;
  const ask = (headers = {}) => page.evaluate(
    ([url, sent]) => fetch(url, { headers: sent, credentials: 'include' }).then((r) => r.json()).then((r) => r.data.me),
    [server.url + query, headers],
  );

  await t.test('our own page', async () => assert.deepEqual(await ask(), { name: 'Ada' }));

  await t.test('the address bar', async () => {
    await page.goto(server.url + query);
    assert.deepEqual(JSON.parse(await page.evaluate(() => document.body.innerText)).data, { me: null });
  });

  await t.test('the address bar without a query, which leads to the playground', async () => {
    await page.goto(`${server.url}/graphql`);
    assert.equal(page.url(), `${server.url}/playground`);
  });

  await t.test('a page of a configured origin', async () => {
    await page.goto(friend);
    assert.equal(await ask(), null);
    assert.deepEqual(await ask({ 'Apollo-Require-Preflight': 'true' }), { name: 'Ada' });
    assert.deepEqual(await ask({ 'Content-Type': 'application/json' }), { name: 'Ada' });
    assert.equal(await ask({ 'Content-Type': 'text/plain' }), null);
    assert.deepEqual(await ask({ Authorization: `Bearer ${ada.token}` }), { name: 'Ada' });
  });
});
