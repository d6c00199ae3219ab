import assert from 'node:assert/strict';

import { openDevice } from '../harness/device.js';
import { signUpAll } from '../harness/person.js';
import { startServer } from '../harness/server.js';
import { scenario } from '../harness/setups.js';

const most = 250_000; // bytes over the wire, compressed, with all headers

/** count adds up the bytes that a page receives, by Chromium's own count: with headers, as on the wire. */
async function count(page) {
  const session = await page.context().newCDPSession(page);
  const resources = new Map();
  const get = (id) => resources.get(id) ?? resources.set(id, { bytes: 0 }).get(id);
  session.on('Network.requestWillBeSent', ({ requestId, request }) => Object.assign(get(requestId), { url: request.url }));
  session.on('Network.requestServedFromCache', ({ requestId }) => Object.assign(get(requestId), { fromCache: true }));
  session.on('Network.responseReceived', ({ requestId, response }) => {
    Object.assign(get(requestId), { status: response.status, fromCache: response.fromDiskCache || get(requestId).fromCache });
  });
  // This event shows a 304. The page itself sees the 200 that it stands for.
  session.on('Network.responseReceivedExtraInfo', ({ requestId, statusCode }) => Object.assign(get(requestId), { wire: statusCode }));
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => Object.assign(get(requestId), { bytes: encodedDataLength, done: true }));
  await session.send('Network.enable');
  return resources;
}

const files = (all) => all.filter(({ url }) => url?.startsWith('http') && !new URL(url).pathname.startsWith('/graphql'));

/** visit opens / and returns what was received until `ready` and until the network is quiet. */
async function visit({ page, url }, ready) {
  const resources = await count(page);
  await page.goto(`${url}/`);
  await ready();
  await page.waitForLoadState('networkidle');
  const all = [...resources.values()];
  return { all, bytes: all.reduce((sum, each) => sum + each.bytes, 0), listing: all.map((each) => `${each.bytes} ${each.url}`).join('\n') };
}

scenario('the first visit takes at most 250 kB, and the second almost nothing', async (t) => {
  const server = await startServer(t);
  const device = await openDevice(t, server, { at: null });
  const ready = () => device.page.getByRole('button', { name: 'Sign in' }).waitFor();
  const first = await visit(device, ready);
  t.diagnostic(`the first visit takes ${first.bytes} bytes`);
  assert.ok(first.bytes <= most, `${first.bytes} bytes:\n${first.listing}`);
  assert.ok(files(first.all).some(({ url }) => url.endsWith('/assets/app.js')), first.listing);
  assert.doesNotMatch(first.listing, /playground|monaco|worker|graphiql/i);

  const second = await visit(device, ready);
  assert.ok(files(second.all).length >= 3, 'the page and what is in it');
  for (const { url, wire, fromCache } of files(second.all)) {
    assert.ok(wire === 304 || fromCache, `${url} came again, as ${wire}`);
  }
  t.diagnostic(`the second visit takes ${second.bytes} bytes`);
});

scenario('who is signed in gets the app for at most 250 kB, each file once, and nothing of the playground', async (t) => {
  const server = await startServer(t);
  const [ada] = await signUpAll(server, 'Ada');
  const device = await openDevice(t, server, { person: ada, at: null });
  const { bytes, all, listing } = await visit(device, () => device.tabs[0].connected());
  t.diagnostic(`signed in, it takes ${bytes} bytes`);
  assert.ok(bytes <= most, `${bytes} bytes:\n${listing}`);
  assert.doesNotMatch(listing, /playground|monaco|worker|graphiql/i);
  const paths = files(all).filter(({ bytes: some }) => some > 500).map(({ url }) => url);
  assert.equal(new Set(paths).size, paths.length, listing);
});
